import { readToken } from '../gateway/bearer-token.ts';
import { tokenFile } from '../roles/token-file.ts';
import { readPorts, servicePorts } from './installation.ts';
import { demoPaths } from './layout.ts';

/** Where the token of the demo's gateway lies. */
export function demoTokenFile(dataDirectory: string): string {
  return tokenFile(demoPaths(dataDirectory).node('gateway'));
}

/** How to reach the researcher's node of the demo, or null where none ever was. */
export function readDemoResearch(dataDirectory: string): { readonly url: string; readonly token: string } | null {
  const port = readPorts(dataDirectory)?.[servicePorts.research];
  const token = readToken(tokenFile(demoPaths(dataDirectory).node('research')));
  return port === undefined || token === null ? null : { url: `http://127.0.0.1:${port}`, token };
}

/** How to reach the demo that was started on a data directory, or null where none ever was. */
export function readDemoGateway(dataDirectory: string): { readonly url: string; readonly token: string } | null {
  const port = readPorts(dataDirectory)?.[servicePorts.http];
  const token = readToken(demoTokenFile(dataDirectory));
  return port === undefined || token === null ? null : { url: `http://127.0.0.1:${port}`, token };
}
