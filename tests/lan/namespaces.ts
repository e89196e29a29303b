import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Random } from '@pulsemesh/base';

const ip = '/usr/sbin/ip';
const nft = '/usr/sbin/nft';
const programs = {
  peer: fileURLToPath(new URL('lan-node.ts', import.meta.url)),
  spoof: fileURLToPath(new URL('lan-spoofer.ts', import.meta.url)),
  node: fileURLToPath(new URL('nat-node.ts', import.meta.url)),
};

/** Why no network namespaces can be made here; null: they can. In CI that is an error. */
export function namespacesAbsence(env: NodeJS.ProcessEnv = process.env): string | null {
  const reason = reasonOfAbsence();
  if (reason !== null && env['CI'] === 'true') throw new Error(`tests of local networks cannot run: ${reason}`);
  return reason;
}

function reasonOfAbsence(): string | null {
  if (process.platform !== 'linux') return 'only Linux has network namespaces';
  for (const program of [ip, nft]) if (!existsSync(program)) return `${program} is missing`;
  if (process.getuid?.() !== 0) return 'they need root';
  try {
    const name = `pm-lan-${process.pid}`;
    run('netns', 'add', name);
    run('netns', 'del', name);
    return null;
  } catch {
    return 'the system does not let them be made';
  }
}

/** Line of a peer's standard output. */
export interface Heard {
  readonly kind: 'ready' | 'connected' | 'subscriber' | 'event' | 'repeated' | 'registered' | 'published' | 'counts';
  readonly peer?: string;
  readonly address?: string;
  readonly isSubscribed?: boolean;
  readonly text?: string;
  readonly count?: number;
  /** Readings in the stores, and events of others that the overlay brought. */
  readonly stored?: number;
  readonly delivered?: number;
}

/** Of `ip -json address`, what is looked at. */
interface Interface {
  readonly addr_info: readonly { readonly local: string }[];
}

/** Machines and the wires between them; everything is gone when it is disposed. */
export class Wires implements AsyncDisposable {
  readonly #label: string;
  readonly #namespaces: string[] = [];
  readonly #peers: Peer[] = [];
  #wires = 0;

  constructor(random: Random) {
    this.#label = random.integer(2 ** 24).toString(16);
  }

  /** A machine with nothing but loopback. */
  machine(): string {
    const name = `pm${this.#label}-${this.#namespaces.length}`;
    run('netns', 'add', name);
    this.#namespaces.push(name);
    inside(name, 'link', 'set', 'lo', 'up');
    return name;
  }

  /** Joins machines by a bridge, which is in a namespace of its own; `net` (1 … 254) names the IPv4 network, none: IPv6 only. */
  join(machines: readonly string[], net: number | null): void {
    const hub = this.machine();
    inside(hub, 'link', 'add', 'name', 'hub', 'type', 'bridge');
    inside(hub, 'link', 'set', 'hub', 'up');
    for (const [index, machine] of machines.entries()) {
      this.#wires += 1;
      const name = `eth${this.#wires}`;
      inside(hub, 'link', 'add', `port${index}`, 'type', 'veth', 'peer', 'name', name, 'netns', machine);
      inside(hub, 'link', 'set', `port${index}`, 'master', 'hub', 'up');
      if (net !== null) inside(machine, 'address', 'add', `198.18.${net}.${index + 1}/24`, 'dev', name);
      // Without waiting to see whether anybody has the same address: nobody has.
      run('netns', 'exec', machine, 'sh', '-c', `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad`);
      inside(machine, 'link', 'set', name, 'up');
    }
  }

  /** Lets `machine` out of the private network `net`, where it is joined with `router`, behind the router's address; nobody in. */
  masquerade(machine: string, router: string, net: number): void {
    const own = `198.18.${net}.0/24`;
    const rules = `table ip nat { chain out { type nat hook postrouting priority 100; ip saddr ${own} ip daddr != ${own} masquerade; }; }`;
    run('netns', 'exec', router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    run('netns', 'exec', router, nft, rules);
    const via = JSON.parse(execFileSync(ip, ['-n', router, '-json', 'address'], { encoding: 'utf8' })) as Interface[];
    const inner = via.flatMap((one) => one.addr_info).find(({ local }) => local.startsWith(`198.18.${net}.`));
    inside(machine, 'route', 'add', 'default', 'via', inner?.local ?? '');
  }

  /** A process with a whole node on a machine. */
  startNode(machine: string, settings: object): Promise<Peer> {
    return this.#start(machine, 'node', settings);
  }

  /** A process of our program on a machine. */
  async start(machine: string, mode: 'announce' | 'listen' | 'spoof', listen: readonly string[]): Promise<Peer> {
    return this.#start(machine, mode === 'spoof' ? mode : 'peer', { mode, listen });
  }

  async #start(machine: string, program: keyof typeof programs, settings: object): Promise<Peer> {
    const peer = new Peer(machine, programs[program], JSON.stringify(settings));
    this.#peers.push(peer);
    peer.id = (await peer.heard(({ kind }) => kind === 'ready')).peer ?? '';
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.stop()));
    for (const name of this.#namespaces) run('netns', 'del', name); // the wires go with them
  }
}

/** A peer in another process. */
export class Peer {
  /** Peer id, once it is ready. */
  id = '';
  readonly lines: Heard[] = [];
  readonly #child: ChildProcess;
  #errors = '';
  #wake = Promise.withResolvers<void>();

  constructor(machine: string, program: string, settings: string) {
    this.#child = spawn(ip, ['netns', 'exec', machine, process.execPath, program, settings]);
    this.#child.stderr?.on('data', (chunk) => {
      this.#errors = `${this.#errors}${chunk}`.slice(-4_000);
    });
    if (this.#child.stdout === null) throw new Error('its output is a pipe');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Heard); // our own program's
      this.#changed();
    });
    this.#child.once('exit', () => this.#changed());
  }

  /** Waits for a line. */
  async heard(is: (line: Heard) => boolean): Promise<Heard> {
    for (;;) {
      const found = this.lines.find(is);
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null) throw new Error(`the peer has ended: ${this.#errors}`);
      await this.#wake.promise;
    }
  }

  /** A line on its standard input. */
  publish(text: string): void {
    this.#child.stdin?.write(`${text}\n`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

function run(...args: string[]): void {
  execFileSync(ip, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function inside(machine: string, ...args: string[]): void {
  run('-n', machine, ...args);
}
