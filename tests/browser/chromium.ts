import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/**
 * Flags for a machine that may be a container without a GPU. They also keep the browser from calling home and
 * from QUIC, which a proxy would not see.
 */
const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A Chromium, or the reason why there is none. */
export type ChromiumSearch =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'absent'; readonly reason: string };

/** Looks at `PULSEMESH_CHROMIUM`, then at the usual names in PATH and the usual places. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): ChromiumSearch {
  const named = env['PULSEMESH_CHROMIUM'];
  if (named !== undefined && named !== '') {
    return existsSync(named)
      ? { kind: 'found', path: named }
      : { kind: 'absent', reason: 'PULSEMESH_CHROMIUM names a file that is not there' };
  }
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
  const folders = ['/usr/bin', ...(env['PATH'] ?? '').split(delimiter)].filter((folder) => folder !== '');
  const places = [
    ...names.flatMap((name) => folders.map((folder) => join(folder, name))),
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  ];
  const path = places.find((place) => existsSync(place));
  return path === undefined
    ? { kind: 'absent', reason: 'no Chromium on this machine: install it, or set PULSEMESH_CHROMIUM' }
    : { kind: 'found', path };
}

/**
 * Whether the browser tests skip. Says why on stderr; with CI=true a missing browser is a failure.
 * @throws Error with CI=true and no browser.
 */
export function skipsWithoutBrowser(env: NodeJS.ProcessEnv = process.env): boolean {
  const search = findChromium(env);
  if (search.kind === 'found') return false;
  if (env['CI'] === 'true') throw new Error(`browser tests cannot run: ${search.reason}`);
  process.stderr.write(`browser tests skipped: ${search.reason}\n`);
  return true;
}

/** Starts the browser with an empty profile; the caller closes it. @throws Error when there is none. */
export function launchChromium(): Promise<Browser> {
  const search = findChromium();
  if (search.kind === 'absent') throw new Error(search.reason);
  const isRoot = process.getuid?.() === 0;
  // The sandbox refuses to run as root.
  return chromium.launch({ executablePath: search.path, args: isRoot ? [...flags, '--no-sandbox'] : flags });
}
