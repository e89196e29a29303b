/**
 * An agent as a process of its own, for a network namespace: connects by what its environment says, soaks the session, and prints the
 * result as one line of JSON. Its one argument is a {@link HospitalAgentTask} as JSON.
 */
import { connect } from 'node:net';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { parsePeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import type { TransportName } from '../carrier.ts';
import { connectLink } from '../client/connect-link.ts';
import { runSoak, type SoakResult } from './soak.ts';

export interface HospitalAgentTask {
  readonly url: string;
  readonly caPem: string;
  readonly server: string;
  readonly messages: number;
  readonly movesMin: number;
  readonly transports: readonly TransportName[];
  /** Tried without a proxy first, to show that there is no other way. */
  readonly forbidden: { readonly host: string; readonly port: number };
}

export interface HospitalAgentResult extends SoakResult {
  readonly proxy: string | null;
  /** What became of the attempt to go directly. */
  readonly direct: string;
}

async function main(task: HospitalAgentTask): Promise<void> {
  const direct = await tryDirectly(task.forbidden);
  const dependencies = {
    clock: createSystemClock(),
    random: createSystemRandom(),
    logger: silentLogger,
    meter: silentMeter,
  };
  const signer = createSigner(new Uint8Array(32).fill(7));
  await using link = await connectLink(
    {
      url: task.url,
      server: parsePeerId(task.server),
      identity: { ...signer, peerId: peerIdOfEd25519(signer.publicKey) },
      trust: { caPems: [task.caPem], isExclusive: true },
      software: 'hospital agent',
    },
    dependencies,
  );
  const proxy = link.status.session?.carriers[0]?.connection.proxy ?? null;
  const soak = await runSoak(link, task, dependencies);
  const result: HospitalAgentResult = { ...soak, proxy, direct };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function tryDirectly(place: { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(place);
    socket.once('connect', () => {
      socket.destroy();
      resolve('through');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'failed'));
  });
}

// Written by the test that starts this process.
await main(JSON.parse(process.argv[2] ?? '{}') as HospitalAgentTask);
