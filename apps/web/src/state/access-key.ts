/** Where the page keeps its access key, in the browser's local storage: links in mails open new tabs. */
const storageName = 'pulsemesh.accessKey';
/** Longest key taken. */
export const accessKeyCharsMax = 512;

/** The parts of a browser's window that hold the key. */
export interface KeyPlaces {
  readonly location: Pick<Location, 'hash' | 'pathname' | 'search'>;
  readonly history: Pick<History, 'replaceState'>;
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
}

/**
 * Takes the key out of `#token=…` (or `#/alerts/ID?token=…`), remembers it and removes it from the address bar,
 * so that it is neither bookmarked nor shared on a screen. Returns the key, or null when there is none.
 */
export function takeAccessKey({ location, history, storage }: KeyPlaces): string | null {
  const match = /(?:^#|[?&])token=([^&]*)/.exec(location.hash);
  if (match === null) return storage.getItem(storageName);
  const rest = location.hash.replace(/token=[^&]*&?/, '').replace(/[?&]$/, '');
  const hash = rest === '#' || rest === '' ? '#/' : rest;
  history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
  const key = readAccessKey(match[1] ?? '');
  if (key !== null) storage.setItem(storageName, key);
  return key ?? storage.getItem(storageName);
}

/** A key as typed or pasted (also the whole address with `#token=`), or null when it cannot be one. */
export function readAccessKey(typed: string): string | null {
  let key = /token=([^&\s]*)/.exec(typed)?.[1] ?? typed.trim();
  try {
    key = decodeURIComponent(key);
  } catch {
    // Not percent-encoded after all: taken as it is.
  }
  return key.length > 0 && key.length <= accessKeyCharsMax && /^[\x21-\x7e]+$/.test(key) ? key : null;
}

export function rememberAccessKey(storage: KeyPlaces['storage'], key: string): void {
  storage.setItem(storageName, key);
}

export function forgetAccessKey(storage: KeyPlaces['storage']): void {
  storage.removeItem(storageName);
}
