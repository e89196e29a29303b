import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Condition, errorCode, errorMessage, withTimeout } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import type { AuthorityRole, Enrolment, EnrolmentToken } from '@pulsemesh/identity/authority';
import { dataDirectory, watchForStop } from '@pulsemesh/node';
import type { StartAgentOptions } from '@pulsemesh/node/relay';
import type { Command } from 'commander';
import { exitCodes, type Output, UsageError } from '../output.ts';
import { parseSeconds } from '../parse.ts';
import { agentDependencies, type NetworkFlags, networkOf, withNetworkFlags } from './agent-flags.ts';
import { type PlaceFlags, placeOf, withPlaceFlags } from './identity/place.ts';

interface EnrolFlags extends PlaceFlags, NetworkFlags {
  readonly organisation?: string;
  readonly role?: string;
  readonly wait: number;
  readonly stay?: boolean;
  readonly tokenFile?: string;
}

/** Longest file with a token, bytes: much more than a token with line breaks. */
const tokenFileBytesMax = 65_536;

/** Nobody said yes in time. The request stays. */
class EnrolmentWaitError extends Condition {
  override readonly name = 'EnrolmentWaitError';
  constructor(seconds: number) {
    super('enrolment-wait', `nobody said yes within ${seconds} s`, { retryable: true });
  }
}

/** `pulsemesh enrol`: an agent gets its certificate, and takes part. */
export function addEnrol(program: Command, output: Output, setExitCode: (code: number) => void): void {
  const command = program.command('enrol').argument('[token]', 'pm1.…, from the operator of the relay; once');
  withNetworkFlags(withPlaceFlags(command))
    .summary('take part through a relay, with the token its operator gave you')
    .description(
      'Makes the key of this agent, fetches its certificate over whatever the network lets through, and with --stay takes part\n' +
        'until Ctrl-C, renewing the certificate by itself. Needs no rights and opens no port: one connection goes out.\n' +
        'With --stay the first line on standard output is JSON: {"enrolled": PEER ID, …}.',
    )
    .option('--organisation <name>', 'with an address instead of a token: what to ask for')
    .option('--role <role>', 'likewise')
    .option('--wait <seconds>', 'how long to wait for an operator’s yes', parseSeconds, 86_400)
    .option(
      '--token-file <file>',
      'where the token lies, - for standard input: other users of this machine see arguments',
    )
    .option('--stay', 'stay and take part')
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh enrol pm1.… --data /srv/agent --stay
  $ pulsemesh enrol --data /srv/agent --stay            the next time: no token
  $ pulsemesh enrol --token-file - < token              the token is not seen in the list of processes
  $ pulsemesh enrol pm1.… --proxy http://proxy.hospital:3128 --ca hospital-inspection.pem

The certificate (agent.crt) lies in the data directory: a node's \`relays\` takes it as certificateFile.
When it does not connect: pulsemesh doctor URL`,
    )
    .action(async (token: string | undefined, flags: EnrolFlags) => {
      setExitCode(await enrol(token, flags, output));
    });
}

async function enrol(tokenText: string | undefined, flags: EnrolFlags, output: Output): Promise<number> {
  const { authorityRoles, isAuthorityRole, isOrganisation, parseEnrolmentToken } = await import(
    '@pulsemesh/identity/authority'
  );
  const { enrolAgent, openFreshIdentity } = await import('@pulsemesh/node/relay');
  const place = placeOf({ ...flags, data: flags.data ?? join(dataDirectory(), 'agent') });
  const data = dirname(place.options.file);
  const token = parsedToken(tokenText, flags.tokenFile, parseEnrolmentToken);
  const { organisation = null, role = null } = flags;
  if (organisation !== null && !isOrganisation(organisation))
    throw new UsageError('--organisation: a name of at most 64 characters on one line');
  if (role !== null && !isAuthorityRole(role)) throw new UsageError(`--role: one of ${authorityRoles.join(', ')}`);
  const wish: { organisation: string | null; role: AuthorityRole | null } = { organisation, role };
  if (token !== null && token.secret === null && (organisation === null || role === null))
    throw new UsageError('with an address, say with --organisation and --role what to ask for');
  const network = networkOf(flags);
  const deps = agentDependencies(flags.stay === true);
  const readIdentity = () => openFreshIdentity(place.options, place.deps);
  const identity = await readIdentity();
  const stop = watchForStop(false);
  const options = { dataDirectory: data, token, wish, network };
  let isPending = false;
  const onPending = () => {
    isPending = true;
    output.err(`Waiting for the operator’s yes. This agent is ${identity.peerId}`);
  };
  const enrolment = await withTimeout(
    deps.clock,
    'enrolment',
    flags.wait * 1000,
    (signal) => enrolAgent({ ...options, signal, onPending }, identity, deps),
    { signal: stop },
  ).catch((error: unknown) => {
    throw isPending && errorCode(error) === 'timeout' ? new EnrolmentWaitError(flags.wait) : error;
  });
  tell(enrolment, output, flags.json === true || flags.stay === true);
  if (!flags.stay) return exitCodes.done;
  return stay({ dataDirectory: data, network, enrolment, readIdentity }, { identity, deps, stop });
}

function parsedToken(
  text: string | undefined,
  file: string | undefined,
  parse: (text: string) => EnrolmentToken,
): EnrolmentToken | null {
  if (file === undefined) return text === undefined ? null : parse(text);
  if (text !== undefined) throw new UsageError('give the token or --token-file, not both');
  let content: Buffer;
  try {
    content = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new UsageError(`--token-file: cannot be read (${errorMessage(error)})`);
  }
  if (content.length > tokenFileBytesMax) throw new UsageError('--token-file: longer than any token');
  return parse(content.toString('utf8').trim());
}

function tell({ membership, relayUrl }: Enrolment, output: Output, isJson: boolean): void {
  if (membership === null) throw new TypeError('an enrolment without a certificate'); // enrolAgent gives none
  const { peer, organisation, role, notAfterMs } = membership;
  const until = new Date(notAfterMs).toISOString();
  if (isJson) {
    output.out(JSON.stringify({ enrolled: peer, organisation, role, relay: relayUrl, until }));
    return;
  }
  output.out(`enrolled     ${peer}`);
  output.out(`as           ${role}, ${organisation}`);
  output.out(`relay        ${relayUrl}`);
  output.out(`certificate  until ${until}, renewed while the agent runs`);
}

interface Stay {
  readonly identity: Identity;
  readonly deps: ReturnType<typeof agentDependencies>;
  readonly stop: AbortSignal;
}

/** Takes part until told to stop; throws why when sent away for good. */
async function stay(options: StartAgentOptions, { identity, deps, stop }: Stay): Promise<number> {
  const { startAgent } = await import('@pulsemesh/node/relay');
  const stopped = Promise.withResolvers<null>();
  stop.addEventListener('abort', () => stopped.resolve(null), { once: true });
  if (stop.aborted) stopped.resolve(null);
  await using agent = await startAgent({ ...options, use: 'receive' }, identity, deps);
  const end = await Promise.race([stopped.promise, agent.ended]);
  if (end !== null) throw end;
  return exitCodes.done;
}
