import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@pulsemesh/base';
import { createTestAuthority } from '../certificates.ts';
import type { Place } from '../stage.ts';
import { absenceOf, freePort, ProgramAbsentError, scratchDirectory, startProgram } from './program.ts';
import type { RealBox } from './real-box.ts';

const haproxy = '/usr/sbin/haproxy';

export interface HaproxyOptions {
  readonly target: Place;
  /** PEM of the authority whose servers it trusts. */
  readonly serverCa: string;
  /** Default true. */
  readonly isHttp2?: boolean;
  /** It waits for whole requests before it gives them on (`option http-buffer-request`). Default false. */
  readonly buffersRequests?: boolean;
  /** Nothing moves for so long: it ends the exchange, or the tunnel of an Upgrade. Default 60 s. */
  readonly idleMs?: number;
}

/** Why haproxy cannot be started here; null: it can. */
export function haproxyAbsence(): string | null {
  return absenceOf([haproxy]);
}

/** Debian's haproxy in front of the server, ending TLS: what stands in a data centre. @throws {ProgramAbsentError}. */
export async function startHaproxy(options: HaproxyOptions, dependencies: { readonly clock: Clock }): Promise<RealBox> {
  const absence = haproxyAbsence();
  if (absence !== null) throw new ProgramAbsentError('haproxy', absence);
  const host = '127.0.0.1';
  await using starting = new AsyncDisposableStack();
  const { path } = starting.use(await scratchDirectory('haproxy'));
  const port = await freePort(host);
  const authority = createTestAuthority('haproxy of the data centre');
  const own = authority.issue();
  writeFileSync(join(path, 'own.pem'), own.certificatePem + own.keyPem);
  writeFileSync(join(path, 'servers.pem'), options.serverCa);
  const alpn = options.isHttp2 === false ? 'http/1.1' : 'h2,http/1.1';
  const idle = options.idleMs ?? 60_000;
  const lines = [
    'defaults',
    '  mode http',
    `  timeout connect 5000`,
    `  timeout client ${idle}`,
    `  timeout server ${idle}`,
    `  timeout tunnel ${idle}`,
    ...(options.buffersRequests === true ? ['  option http-buffer-request'] : []),
    'frontend agents',
    `  bind ${host}:${port} ssl crt ${path}/own.pem alpn ${alpn}`,
    '  option forwardfor',
    '  default_backend relay',
    'backend relay',
    `  server relay ${options.target.host}:${options.target.port} ssl verify required ca-file ${path}/servers.pem sni str(localhost) alpn ${alpn}`,
    '',
  ];
  const config = join(path, 'haproxy.cfg');
  writeFileSync(config, lines.join('\n'));
  starting.use(await startProgram({ command: haproxy, args: ['-db', '-f', config], host, port }, dependencies));
  const running = starting.move();
  return { host, port, proxyUrl: null, authority, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
