import { type Clock, errorCode, type Logger, type Random, startTicker } from '@pulsemesh/base';
import {
  type Identity,
  IdentityMissingError,
  type IdentityOptions,
  loadOrCreateIdentity,
  refreshSealing,
} from '@pulsemesh/identity';

const dayMs = 86_400_000;

/**
 * The identity that lies there, its sealing key replaced when it is due; made when there is none. @throws as `loadOrCreateIdentity`.
 */
export async function openFreshIdentity(
  options: IdentityOptions,
  deps: { readonly clock: Clock; readonly random: Random },
): Promise<Identity> {
  try {
    return await refreshSealing(options, deps);
  } catch (error) {
    if (!(error instanceof IdentityMissingError)) throw error;
    return loadOrCreateIdentity(options, deps);
  }
}

/** Calls `refresh` once a day until disposed. What goes wrong is logged, and tried again the next day: a sealing key may be a little older. */
export function refreshDaily(
  refresh: () => Promise<unknown>,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Disposable {
  const ticker = startTicker(
    clock,
    dayMs,
    async () => {
      await refresh();
    },
    (error) => logger.error('the sealing key could not be refreshed', { code: errorCode(error) }),
  );
  return { [Symbol.dispose]: () => ticker.stop() };
}
