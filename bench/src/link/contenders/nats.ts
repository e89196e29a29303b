import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { wsconnect } from '@nats-io/nats-core';
import { freePort } from '../../ports.ts';
import type { Contender } from '../contender.ts';

const binaries = ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'];

/** Installs Debian's package where this process may. @throws with what to do where there is none. */
function findNats(): string {
  const found = () => binaries.find((path) => existsSync(path));
  if (found() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const options = { stdio: 'ignore' as const, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'nats-server'], options);
  }
  const binary = found();
  if (binary === undefined) throw new Error('The peer is missing: install NATS (apt-get install nats-server).');
  return binary;
}

/** NATS core (no JetStream) over WebSocket; the global WebSocket of Node is its client's socket. */
export const natsWs: Contender = {
  name: 'NATS over WebSocket',
  async listen({ tls }) {
    const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-nats-'));
    const [port, tcpPort] = [await freePort(), await freePort()];
    writeFileSync(join(directory, 'key.pem'), tls?.key ?? '');
    writeFileSync(join(directory, 'cert.pem'), tls?.cert ?? '');
    const secured =
      tls === null
        ? 'no_tls: true'
        : `tls { cert_file: "${join(directory, 'cert.pem')}", key_file: "${join(directory, 'key.pem')}" }`;
    writeFileSync(
      join(directory, 'nats.conf'),
      `listen: "127.0.0.1:${tcpPort}"\nwebsocket { listen: "127.0.0.1:${port}", ${secured} }\n`,
    );
    const child = spawn(findNats(), ['-c', join(directory, 'nats.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    for await (const line of createInterface({ input: child.stderr })) if (line.includes('Server is ready')) break;
    child.stderr.resume();
    return {
      port,
      ...(child.pid === undefined ? {} : { pid: child.pid }),
      async stop() {
        child.kill();
        if (child.exitCode === null) await once(child, 'exit');
        rmSync(directory, { recursive: true, force: true });
      },
    };
  },
  async connect({ port, tls, id, onMessage }) {
    // Node's own WebSocket takes no certificate of its caller.
    if (tls !== null && !getCACertificates('default').includes(tls.cert))
      setDefaultCACertificates([...getCACertificates('default'), tls.cert]);
    const connection = await wsconnect({
      servers: `${tls === null ? 'ws' : 'wss'}://127.0.0.1:${port}`,
      reconnect: false,
      noEcho: true,
    });
    connection.subscribe(`to.${id}`, { callback: (_error, message) => onMessage(message.data) });
    await connection.flush();
    return {
      send: (to, payload) => connection.publish(`to.${to}`, payload),
      close: () => void connection.close(),
    };
  },
};
