/// Stands in until the back end is written.
public enum VirtualX265Placeholder {}
