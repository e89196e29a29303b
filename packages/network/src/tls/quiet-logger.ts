import type { ComponentLogger, Logger } from '@libp2p/interface';

/**
 * A logger for libp2p that says nothing and costs nothing. libp2p's own makes an object per connection and stream and asks
 * the system each time whether standard error is a terminal: a tenth of the cost of a dial, for lines that nobody reads.
 */
export function createQuietLogger(): ComponentLogger {
  const ignore = () => {};
  const quiet: Logger = Object.assign(() => {}, {
    error: ignore,
    trace: ignore,
    enabled: false,
    newScope: (): Logger => quiet,
  });
  return { forComponent: () => quiet };
}
