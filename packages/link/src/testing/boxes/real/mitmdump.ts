import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@pulsemesh/base';
import { createTestAuthority } from '../certificates.ts';
import { absenceOf, freePort, ProgramAbsentError, scratchDirectory, startProgram } from './program.ts';
import type { RealBox, RealProxyOptions } from './real-box.ts';

const mitmdump = '/usr/bin/mitmdump';

export interface MitmdumpOptions extends RealProxyOptions {
  /** PEM of the authority whose servers it trusts. */
  readonly serverCa: string;
  /** Default true. */
  readonly isHttp2?: boolean;
  /** Makes ordinary requests of Upgrades. Default false. */
  readonly stripsUpgrade?: boolean;
}

/** Why mitmdump cannot be started here; null: it can. */
export function mitmdumpAbsence(): string | null {
  return absenceOf([mitmdump]);
}

const stripAddon = `
def requestheaders(flow):
    for name in ("Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"):
        flow.request.headers.pop(name, None)
    if "upgrade" in flow.request.headers.get("Connection", "").lower():
        flow.request.headers["Connection"] = "keep-alive"
`;

/** Debian's mitmproxy: a CONNECT proxy that opens TLS and buffers messages whole. @throws {ProgramAbsentError}. */
export async function startMitmdump(
  options: MitmdumpOptions,
  dependencies: { readonly clock: Clock },
): Promise<RealBox> {
  const absence = mitmdumpAbsence();
  if (absence !== null) throw new ProgramAbsentError('mitmdump', absence);
  const host = options.host ?? '127.0.0.1';
  await using starting = new AsyncDisposableStack();
  const { path } = starting.use(await scratchDirectory('mitmdump'));
  const port = await freePort(host);
  const authority = createTestAuthority('mitmproxy of the hospital');
  writeFileSync(join(path, 'mitmproxy-ca.pem'), authority.keyPem + authority.certificatePem);
  writeFileSync(join(path, 'servers.pem'), options.serverCa);
  writeFileSync(join(path, 'strip.py'), stripAddon);
  const set = (name: string, value: string) => ['--set', `${name}=${value}`];
  const args = [
    '--quiet',
    ...['--listen-host', host, '--listen-port', String(port)],
    ...set('confdir', path),
    ...set('ssl_verify_upstream_trusted_ca', join(path, 'servers.pem')),
    ...set('http2', String(options.isHttp2 ?? true)),
    ...(options.auth === undefined ? [] : set('proxyauth', `${options.auth.username}:${options.auth.password}`)),
    ...(options.stripsUpgrade === true ? ['-s', join(path, 'strip.py')] : []),
  ];
  starting.use(await startProgram({ command: mitmdump, args, host, port }, dependencies));
  const running = starting.move();
  return {
    host,
    port,
    proxyUrl: `http://${host}:${port}`,
    authority,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
