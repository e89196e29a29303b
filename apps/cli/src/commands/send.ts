import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { Condition, errorCode, errorMessage, withTimeout } from '@pulsemesh/base';
import { ConfigError, watchForStop } from '@pulsemesh/node';
import type { RunningAgent } from '@pulsemesh/node/relay';
import { type Command, Option } from 'commander';
import { exitCodes, type Output, UsageError } from '../output.ts';
import { parseSeconds } from '../parse.ts';
import { agentDependencies, type NetworkFlags, startEnrolledAgent, withNetworkFlags } from './agent-flags.ts';
import { type PlaceFlags, withPlaceFlags } from './identity/place.ts';

interface SendFlags extends PlaceFlags, NetworkFlags {
  readonly to: string;
  readonly wait: 'stored' | 'delivered';
  readonly timeout: number;
}

/** Longest message, bytes: with its id it fills an envelope of 512 KiB, the largest size class that a relay takes. */
export const messageBytesMax = 512 * 1024 - 16;

/** The message is in the outbox and has not been stored at the relay yet. */
class SendWaitsError extends Condition {
  override readonly name = 'SendWaitsError';
  constructor(cause: unknown) {
    super('send-waits', 'the relay has not stored the message; it is kept and goes with the next `pulsemesh send`', {
      retryable: true,
      cause,
    });
  }
}

/** Stored at the relay, and nobody fetched it in time. */
class NotDeliveredError extends Condition {
  override readonly name = 'NotDeliveredError';
  constructor(cause: unknown) {
    super('not-delivered', 'the message is stored at the relay; the recipient has not fetched it yet', { cause });
  }
}

/** `pulsemesh send`: one message to another agent, sealed for it alone. */
export function addSend(program: Command, output: Output, setExitCode: (code: number) => void): void {
  withNetworkFlags(withPlaceFlags(program.command('send').argument('[file]', 'what to send (default: standard input)')))
    .summary('send a message to another agent, through the relay where both are enrolled')
    .description(
      'Seals a message for one recipient and gives it to the relay, which keeps it for 14 days until the recipient fetches it.\n' +
        `At most ${messageBytesMax} bytes. What was taken is sent, also when this command is killed: with the next \`send\`.`,
    )
    .requiredOption('--to <card file or name>', 'the contact card of the recipient, or a name among the contacts')
    .addOption(
      new Option('--wait <state>', 'until the relay has stored it, or the recipient has it')
        .choices(['stored', 'delivered'])
        .default('stored'),
    )
    .option('--timeout <seconds>', 'how long to wait', parseSeconds, 60)
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh send --data /srv/agent --to toni.card report.pdf
  $ echo "come at ten" | pulsemesh send --data /srv/agent --to "Dr. Toni Berg" --wait delivered

The recipient needs your card too: \`pulsemesh identity card --data /srv/agent --file my.card\`, and there
\`pulsemesh identity contacts add my.card --data …\`. Nobody else's messages are taken.`,
    )
    .action(async (file: string | undefined, flags: SendFlags) => {
      setExitCode(await send(file, flags, output));
    });
}

async function send(file: string | undefined, flags: SendFlags, output: Output): Promise<number> {
  const bytes = await readMessage(file);
  const { assertReadsAt } = await import('@pulsemesh/node/relay');
  const deps = agentDependencies(false);
  const stop = watchForStop(false);
  const { agent, relay } = await startEnrolledAgent(flags, 'send', deps);
  await using running = agent;
  const to = await running.contacts.find(flags.to);
  assertReadsAt(to, relay);
  const receipts = watchDelivered(running);
  const { messageId, stored } = await running.client.send(to, bytes, { receipts: flags.wait === 'delivered' });
  const within = (promise: Promise<unknown>, Late: new (cause: unknown) => Condition) =>
    withTimeout(deps.clock, 'sending', flags.timeout * 1000, () => Promise.race([promise, endOf(running)]), {
      signal: stop,
    }).catch((error: unknown) => {
      throw errorCode(error) === 'timeout' || stop.aborted ? new Late(error) : error;
    });
  const tell = (state: string) =>
    output.out(flags.json ? JSON.stringify({ messageId, state, to: to.card.peerId }) : `${state} ${messageId}`);
  await within(stored, SendWaitsError);
  tell('stored');
  if (flags.wait === 'stored') return exitCodes.done;
  await within(receipts(messageId), NotDeliveredError);
  tell('delivered');
  return exitCodes.done;
}

/** Rejects with why the agent was sent away for good. */
async function endOf(agent: RunningAgent): Promise<never> {
  const reason = await agent.ended;
  throw reason ?? new TypeError('the agent was stopped while it was used'); // only this command stops it
}

/** Watches receipts from now on, so that none is missed; the promise for one message. */
function watchDelivered({ client }: RunningAgent): (messageId: string) => Promise<void> {
  const delivered = new Set<string>();
  let wake = () => {};
  client.onReceipt(({ kind, messageId }) => {
    if (kind !== 'delivered' && kind !== 'read') return;
    if (delivered.size < 10_000) delivered.add(messageId);
    wake();
  });
  return (messageId) =>
    new Promise((resolve) => {
      wake = () => {
        if (delivered.has(messageId)) resolve();
      };
      wake();
    });
}

/** @throws {ConfigError} for a file that cannot be read; {UsageError} for too much. */
async function readMessage(file: string | undefined): Promise<Uint8Array> {
  const input: Readable = file === undefined || file === '-' ? process.stdin : createReadStream(file);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of input) {
      bytes += (chunk as Buffer).length;
      if (bytes > messageBytesMax) throw new UsageError(`a message has at most ${messageBytesMax} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new ConfigError(file ?? 'standard input', `cannot be read (${errorMessage(error)})`, error);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
