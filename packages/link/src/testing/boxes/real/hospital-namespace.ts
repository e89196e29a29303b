import { execFileSync } from 'node:child_process';
import type { Random } from '@pulsemesh/base';
import { absenceOf, ProgramAbsentError } from './program.ts';

const ip = '/usr/sbin/ip';
const nft = '/usr/sbin/nft';

/** A network of its own in which one port of one machine outside can be reached, and nothing reaches in. */
export interface HospitalNamespace extends Disposable {
  readonly name: string;
  /** This machine, as the namespace sees it: where the proxy has to listen. */
  readonly outsideHost: string;
  /** Command line that runs a program inside. */
  commandInside(
    command: string,
    args: readonly string[],
  ): { readonly command: string; readonly args: readonly string[] };
  /** Lets out what goes to this port of `outsideHost`; everything else is reset (TCP) or dropped. */
  allowOnly(port: number): void;
}

/** Why no network namespace with a firewall can be made here; null: it can. */
export function namespaceAbsence(): string | null {
  const absence = absenceOf([ip, nft], true);
  if (absence !== null) return absence;
  try {
    execFileSync(nft, ['list', 'tables'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'the kernel does not let nftables be used';
  }
}

/**
 * Makes a network namespace behind a veth pair with an nftables firewall: default drop both ways.
 * @throws {ProgramAbsentError}
 */
export function createHospitalNamespace({ random }: { readonly random: Random }): HospitalNamespace {
  const absence = namespaceAbsence();
  if (absence !== null) throw new ProgramAbsentError('a network namespace', absence);
  const label = random
    .integer(2 ** 24)
    .toString(16)
    .padStart(6, '0');
  const name = `pm-${label}`;
  // One of 16,000 small networks of RFC 2544's range for tests of network devices.
  const block = random.integer(2 ** 14);
  const address = (last: number) => `198.18.${block >> 6}.${((block & 63) << 2) + last}`;
  const outsideHost = address(1);
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const inside = (...args: string[]) => run(ip, 'netns', 'exec', name, ...args);
  run(ip, 'netns', 'add', name);
  const remove = () => {
    try {
      run(ip, 'netns', 'del', name); // its end of the pair takes the other one with it
    } catch {
      // Already gone.
    }
  };
  try {
    run(ip, 'link', 'add', `o${label}`, 'type', 'veth', 'peer', 'name', `i${label}`, 'netns', name);
    run(ip, 'address', 'add', `${outsideHost}/30`, 'dev', `o${label}`);
    run(ip, 'link', 'set', `o${label}`, 'up');
    inside(ip, 'link', 'set', 'lo', 'up');
    inside(ip, 'address', 'add', `${address(2)}/30`, 'dev', `i${label}`);
    inside(ip, 'link', 'set', `i${label}`, 'up');
    inside(ip, 'route', 'add', 'default', 'via', outsideHost);
    inside(nft, firewall(outsideHost, null));
  } catch (error) {
    remove();
    throw error;
  }
  return {
    name,
    outsideHost,
    commandInside: (command, args) => ({ command: ip, args: ['netns', 'exec', name, command, ...args] }),
    allowOnly: (port) => void inside(nft, `flush ruleset\n${firewall(outsideHost, port)}`),
    [Symbol.dispose]: remove,
  };
}

function firewall(outsideHost: string, port: number | null): string {
  const allowed = port === null ? '' : `ip daddr ${outsideHost} tcp dport ${port} accept;`;
  return [
    'table inet hospital {',
    'chain out { type filter hook output priority 0; policy drop; oif lo accept; ct state established accept;',
    `${allowed} meta l4proto tcp reject with tcp reset; }`,
    'chain in { type filter hook input priority 0; policy drop; iif lo accept; ct state established accept; }',
    '}',
  ].join('\n');
}
