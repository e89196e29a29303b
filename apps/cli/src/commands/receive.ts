import { resolve } from 'node:path';
import { type Clock, Condition, errorCode, type Timer, withTimeout } from '@pulsemesh/base';
import { watchForStop } from '@pulsemesh/node';
import type { AgentMessage, RunningAgent } from '@pulsemesh/node/relay';
import { peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { Command } from 'commander';
import { exitCodes, type Output } from '../output.ts';
import { parseSeconds } from '../parse.ts';
import { agentDependencies, type NetworkFlags, startEnrolledAgent, withNetworkFlags } from './agent-flags.ts';
import { type PlaceFlags, withPlaceFlags } from './identity/place.ts';

interface ReceiveFlags extends PlaceFlags, NetworkFlags {
  readonly once?: true;
  readonly dropStrangers?: true;
  readonly out?: string;
  readonly wait: number;
}

/** With --once: it ends when nothing came for this long, or for ten round trips, milliseconds. */
const quietMs = 2_000;
const quietRoundTrips = 10;

/** With --once: nothing could be asked for in time. */
class RelayAwayError extends Condition {
  override readonly name = 'RelayAwayError';
  constructor(seconds: number, cause: unknown) {
    super('relay-away', `the relay did not give access to the mailboxes within ${seconds} s`, {
      retryable: true,
      cause,
    });
  }
}

/** `pulsemesh receive`: what other agents send. */
export function addReceive(program: Command, output: Output, setExitCode: (code: number) => void): void {
  withNetworkFlags(withPlaceFlags(program.command('receive')))
    .summary('receive what other agents send, each message once')
    .description(
      'Takes part as the enrolled agent, as `pulsemesh enrol --stay` does, and gives out what contacts send: one line of JSON each,\n' +
        'or with --out one file each. A message is taken once, whatever crashes; a line that is written in the moment of a crash may\n' +
        'come again, with the same id. A message of somebody who is not among the contacts is said, with their peer id, and stays at\n' +
        'the relay for its 14 days: add their card (`pulsemesh identity contacts add`), and it comes with the next start, or before the\n' +
        'next thing they write. At most 32 wait that way, 8 of one sender; what comes then is dropped, and said.',
    )
    .option('--out <directory>', 'into files named by time, sender and id')
    .option('--drop-strangers', 'drop what people write who are not among the contacts')
    .option('--once', 'take what waits, and end')
    .option('--wait <seconds>', 'with --once: how long to wait for the relay', parseSeconds, 60)
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh receive --data /srv/agent --out /srv/inbox
  $ pulsemesh receive --data /srv/agent --once | jq -r .text

It keeps your contact card current: pulsemesh identity card --data /srv/agent --file my.card`,
    )
    .action(async (flags: ReceiveFlags) => {
      setExitCode(await receive(flags, output));
    });
}

async function receive(flags: ReceiveFlags, output: Output): Promise<number> {
  const deps = agentDependencies(flags.once !== true);
  const stop = watchForStop(false);
  const { agent } = await startEnrolledAgent(flags, 'receive', deps);
  await using running = agent;
  const over = Promise.withResolvers<Condition | null>();
  stop.addEventListener('abort', () => over.resolve(null), { once: true });
  if (stop.aborted) over.resolve(null);
  void running.ended.then(over.resolve);
  const quiet = new Quiet(running, () => over.resolve(null), deps.clock);
  const take = await takerOf(running, flags.out, output);
  running.client.onStranger(strangerTeller(flags.dropStrangers === true, output));
  running.client.receive(async (message, mark) => {
    quiet.pause();
    try {
      return await take(message, mark);
    } catch (error) {
      // Not marked: it stays at the relay.
      over.reject(error);
      throw error;
    } finally {
      quiet.begin();
    }
  });
  if (flags.once) {
    const ready = Promise.all([running.link.waitForSession(), running.cardCurrent]);
    ready.catch(() => {}); // told by `ended`
    const first = Promise.race([ready, over.promise.then(() => null)]);
    await withTimeout(deps.clock, 'the relay', flags.wait * 1000, () => first).catch((error: unknown) => {
      throw errorCode(error) === 'timeout' ? new RelayAwayError(flags.wait, error) : error;
    });
    quiet.start();
  }
  const reason = await over.promise;
  quiet.stop();
  if (reason !== null) throw reason;
  return exitCodes.done;
}

type StrangerHandler = Parameters<RunningAgent['client']['onStranger']>[0];

const strangersToldMax = 1_000;

/** Says once in a run who it is that writes and is not among the contacts, and what becomes of it. */
function strangerTeller(isDropping: boolean, output: Output): StrangerHandler {
  const told = new Set<string>();
  return ({ publicKey, canBeKept }) => {
    const fate = canBeKept && !isDropping ? 'keep' : 'drop';
    const peer = peerIdOfEd25519(publicKey);
    const key = `${fate} ${peer}`;
    if (!told.has(key) && told.size < strangersToldMax) {
      told.add(key);
      const text = fate === 'keep' ? 'waits at the relay until you add their card' : 'is dropped';
      output.err(`a message of ${peer}, who is not among your contacts, ${text}`);
    }
    return fate;
  };
}

type Taker = (
  message: AgentMessage,
  mark: Parameters<Parameters<RunningAgent['client']['receive']>[0]>[1],
) => Promise<unknown>;

async function takerOf({ store }: RunningAgent, out: string | undefined, output: Output): Promise<Taker> {
  const { MessageFolder, storedAt } = await import('@pulsemesh/node/relay');
  // Also where files were written the last time and lines are now: what was begun is finished.
  const folder = new MessageFolder(out === undefined ? null : resolve(out), store);
  for (const file of await folder.finish()) output.out(JSON.stringify({ file }));
  return async (message, mark) => {
    const head = {
      messageId: toHex(message.messageId),
      from: peerIdOfEd25519(message.from.publicKey),
      storedAt: storedAt(message.storedMs),
    };
    if (out === undefined) {
      output.out(JSON.stringify({ ...head, ...contentOf(message.bytes) }));
      await output.flush?.();
      return undefined;
    }
    const file = await folder.put(message, mark);
    output.out(JSON.stringify({ ...head, file }));
    return 'marked';
  };
}

/** As text where it is some, else in base64. */
function contentOf(bytes: Uint8Array): { readonly text: string } | { readonly base64: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

/** Tells when nothing has come for a while. */
class Quiet {
  readonly #agent: RunningAgent;
  readonly #onQuiet: () => void;
  readonly #clock: Clock;
  #isStarted = false;
  #timer: Timer | null = null;

  constructor(agent: RunningAgent, onQuiet: () => void, clock: Clock) {
    this.#agent = agent;
    this.#onQuiet = onQuiet;
    this.#clock = clock;
  }

  start(): void {
    this.#isStarted = true;
    // After a new session all that was not acknowledged comes again.
    this.#agent.link.onSession(() => this.begin());
    this.begin();
  }

  /** Counts from now. */
  begin(): void {
    this.pause();
    if (!this.#isStarted) return;
    const roundTripMs = this.#agent.link.status.rttMs ?? 0;
    this.#timer = this.#clock.setTimer(() => this.#look(), Math.max(quietMs, quietRoundTrips * roundTripMs));
  }

  pause(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  stop(): void {
    this.#isStarted = false;
    this.pause();
  }

  #look(): void {
    // While there is no session nothing could come.
    if (this.#agent.link.status.state === 'up') this.#onQuiet();
    else this.begin();
  }
}
