import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process listens on, as Linux tells: `tcp 0100007F:1F90`, `unix /path`; its children's sockets included. */
export function listeningSockets(pid: number): readonly string[] {
  return [pid, ...descendants(pid)].flatMap(ownListening);
}

/** The user a process runs as. */
export function userOf(pid: number): number {
  return Number(/^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function ownListening(pid: number): readonly string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // closed since it was listed
      }
    }),
  );
  return [
    ...rowsOf(pid, 'tcp', (fields) => (fields[3] === '0A' && own.has(fields[9] ?? '') ? fields[1] : undefined)),
    ...rowsOf(pid, 'tcp6', (fields) => (fields[3] === '0A' && own.has(fields[9] ?? '') ? fields[1] : undefined)),
    // A UDP socket without a peer takes packets from anybody.
    ...rowsOf(pid, 'udp', (fields) => (fields[3] === '07' && own.has(fields[9] ?? '') ? fields[1] : undefined)),
    ...rowsOf(pid, 'udp6', (fields) => (fields[3] === '07' && own.has(fields[9] ?? '') ? fields[1] : undefined)),
    // Flag SO_ACCEPTCON.
    ...rowsOf(pid, 'unix', (fields) => (fields[3] === '00010000' && own.has(fields[6] ?? '') ? fields[7] : undefined)),
  ];
}

function rowsOf(
  pid: number,
  table: string,
  read: (fields: readonly string[]) => string | undefined,
): readonly string[] {
  const [, ...lines] = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const found = read(line.trim().split(/\s+/));
    return found === undefined ? [] : [`${table} ${found}`];
  });
}

function descendants(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [...children, ...children.flatMap(descendants)];
}
