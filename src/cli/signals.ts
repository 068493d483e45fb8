/** Waiting for the word to stop. */

/**
 * Resolves at SIGINT, at SIGTERM, or when the process that started this one with a channel is gone. A second signal ends the process at once, as
 * signals do by default.
 */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off("SIGINT", stop).off("SIGTERM", stop).off("disconnect", stop);
      resolve();
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
    if (process.channel) process.on("disconnect", stop);
  });
}
