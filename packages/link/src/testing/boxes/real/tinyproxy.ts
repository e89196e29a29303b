import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@pulsemesh/base';
import { absenceOf, freePort, ProgramAbsentError, scratchDirectory, startProgram } from './program.ts';
import type { RealBox, RealProxyOptions } from './real-box.ts';

const tinyproxy = '/usr/bin/tinyproxy';

/** Why tinyproxy cannot be started here; null: it can. */
export function tinyproxyAbsence(): string | null {
  return absenceOf([tinyproxy]);
}

/** Debian's tinyproxy as a CONNECT proxy, with Basic authentication or none. @throws {ProgramAbsentError}. */
export async function startTinyproxy(
  options: RealProxyOptions,
  dependencies: { readonly clock: Clock },
): Promise<RealBox> {
  const absence = tinyproxyAbsence();
  if (absence !== null) throw new ProgramAbsentError('tinyproxy', absence);
  const host = options.host ?? '127.0.0.1';
  await using starting = new AsyncDisposableStack();
  const directory = starting.use(await scratchDirectory('tinyproxy'));
  const port = await freePort(host);
  const { auth } = options;
  const lines = [
    `Port ${port}`,
    `Listen ${host}`,
    'Timeout 600',
    'MaxClients 100',
    'LogLevel Error',
    ...(auth === undefined ? [] : [`BasicAuth ${auth.username} ${auth.password}`]),
  ];
  const config = join(directory.path, 'tinyproxy.conf');
  writeFileSync(config, `${lines.join('\n')}\n`);
  starting.use(await startProgram({ command: tinyproxy, args: ['-d', '-c', config], host, port }, dependencies));
  const running = starting.move();
  return {
    host,
    port,
    proxyUrl: `http://${host}:${port}`,
    authority: null,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
