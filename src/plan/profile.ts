/** Whether all layers run in the module, or those that the host has a kernel for outside of it. */
export type KernelProfile = "portable" | "native";
export const KERNEL_PROFILES: readonly KernelProfile[] = ["portable", "native"];
