import { errorCode } from '@pulsemesh/base';
import type { StoreFailedError } from '@pulsemesh/store';

/**
 * The same store, except that `onFailed` hears of each call that rejected with {@link StoreFailedError}. After a failed
 * flush nobody knows what lies on the disk: a node must not go on and try again, it stops and reads what is there.
 */
export function watchForFailure<Store extends object>(
  store: Store,
  onFailed: (error: StoreFailedError) => void,
): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        const result: unknown = member.apply(target, args);
        if (result instanceof Promise) {
          result.catch((error: unknown) => {
            // By its code: importing the class would load the engines where no role needs one.
            if (errorCode(error) === 'store-failed') onFailed(error as StoreFailedError); // the code is that class's alone
          });
        }
        return result;
      };
    },
  });
}

/** Ends the process as a bug does: logged, with an exit code that makes the supervisor start it again. */
export function stopProcess(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
