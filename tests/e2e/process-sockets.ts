import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process has to do with TCP, from /proc (proc(5)): Linux only. */
export interface ProcessSockets {
  /** Local ports it listens on. */
  readonly listening: readonly number[];
  /** Remote ports it is connected to. */
  readonly connectedTo: readonly number[];
}

const stateListen = '0A';
const stateEstablished = '01';

/** The TCP sockets of one process. */
export function tcpSocketsOf(pid: number): ProcessSockets {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // closed meanwhile
      }
    }),
  );
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1),
  );
  const listening: number[] = [];
  const connectedTo: number[] = [];
  for (const row of rows) {
    const [, local = '', remote = '', state = '', , , , , , inode = ''] = row.trim().split(/\s+/);
    if (!own.has(inode)) continue;
    if (state === stateListen) listening.push(portOf(local));
    if (state === stateEstablished) connectedTo.push(portOf(remote));
  }
  return { listening, connectedTo: [...new Set(connectedTo)] };
}

function portOf(address: string): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16);
}
