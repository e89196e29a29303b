import { join, resolve } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { loadOrCreateIdentity } from '@pulsemesh/identity';
import type { AuthorityRole, RevocationTarget, TokenFacts } from '@pulsemesh/identity/authority';
import { dataDirectory } from '@pulsemesh/node';
import type { AuthorityOperator } from '@pulsemesh/node/relay';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Output, printable, table, UsageError } from '../output.ts';
import { parseCount } from '../parse.ts';
import { parsePeer, placeOf } from './identity/place.ts';

interface AuthorityFlags {
  readonly data?: string;
  readonly json?: boolean;
}

// The same as `authorityRoles`; the library behind that list is loaded only when a command runs.
const roles: readonly AuthorityRole[] = [
  ...(['agent', 'relay', 'board', 'authority', 'bootstrap', 'ingest', 'storage'] as const),
  ...(['aggregation', 'prediction', 'notification', 'gateway', 'operator'] as const),
];

/** `pulsemesh authority`: who may use a relay, by certificates that last a day. */
export function addAuthority(program: Command, output: Output): void {
  const authority = program
    .command('authority')
    .summary("a relay's identity authority: who may use it")
    .description(
      'An identity authority gives agents certificates that bind their key to an organisation and a role, for a day at a time.\n' +
        'It lies in the data directory of a relay, which then lets in only those who have one. The commands work while the relay\n' +
        'runs, and on its data while it does not.',
    )
    .addHelpText(
      'after',
      `
Begin with:
  $ pulsemesh authority init --data /srv/relay --organisation "St. Mary" --url https://relay.example.org
  $ pulsemesh relay --data /srv/relay --port 443 …           (start it again if it runs)
  $ pulsemesh authority token --data /srv/relay --organisation "Ward 7"
and give what the last one prints to the agent, which says:
  $ pulsemesh enrol pm1.… --data /srv/agent

Somebody left:   pulsemesh authority revoke 12D3KooW… --data /srv/relay --reason left
Backup:          pulsemesh identity words --data /srv/relay/authority`,
    );
  addInit(authority, output);
  addToken(authority, output);
  addDecisions(authority, output);
  addRevoke(authority, output);
}

function withFlags(command: Command): Command {
  return command.option('--data <directory>', "the relay's data directory").option('--json', 'as JSON');
}

function addInit(authority: Command, output: Output): void {
  withFlags(authority.command('init'))
    .summary('make one, beside a relay')
    .requiredOption('--organisation <name>', 'whose authority it is')
    .option('--url <url>', 'where agents reach the relay (default: where it says that it listens)')
    .option('--name <host...>', 'hosts it may make TLS certificates for, beside localhost')
    .action(
      async (
        flags: AuthorityFlags & {
          readonly organisation: string;
          readonly url?: string;
          readonly name?: readonly string[];
        },
      ) => {
        const library = await import('@pulsemesh/identity/authority');
        const data = relayData(flags);
        const place = placeOf({ data });
        const relay = await loadOrCreateIdentity(place.options, place.deps);
        const names = flags.name ?? [];
        const settings = await library.createAuthorityFolder(
          { directory: await folderOf(flags) },
          {
            organisation: flags.organisation,
            relayUrl: flags.url ?? null,
            relayPeer: relay.peerId,
            names: {
              dns: names.filter((name) => !library.isIpv4(name)),
              ip: names.filter((name) => library.isIpv4(name)),
            },
          },
          dependencies(),
        );
        const fingerprint = Buffer.from(library.certificateFingerprint(settings.root)).toString('hex');
        if (flags.json) output.out(JSON.stringify({ relayPeer: relay.peerId, fingerprint }));
        else for (const line of [`relay  ${relay.peerId}`, `root   ${fingerprint}`]) output.out(line);
      },
    );
}

interface TokenFlags extends AuthorityFlags {
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly uses: number;
  readonly hours: number;
  readonly url?: string;
}

function addToken(authority: Command, output: Output): void {
  withFlags(authority.command('token'))
    .summary('a token that lets one agent enrol at once')
    .requiredOption('--organisation <name>', 'which organisation the agent belongs to')
    .addOption(new Option('--role <role>', 'what it does').choices(roles).default('agent'))
    .option('--uses <number>', 'how many agents it lets in', parseCount, 1)
    .option('--hours <number>', 'how long it holds', parseCount, 168)
    .option('--url <url>', 'where the agent reaches the relay, if not as usual')
    .action(async (flags: TokenFlags) => {
      const { organisation, role, uses, hours } = flags;
      const facts: TokenFacts = { organisation, role, uses, forMs: hours * 3_600_000 };
      await using operator = await operatorOf(flags);
      const text = await tokenText(operator, flags.url, await operator.createToken(facts));
      output.out(flags.json ? JSON.stringify({ token: text }) : text);
    });
  withFlags(authority.command('address'))
    .summary('the same without the secret: whoever enrols with it waits for your yes')
    .option('--url <url>', 'where the agent reaches the relay, if not as usual')
    .action(async (flags: AuthorityFlags & { readonly url?: string }) => {
      await using operator = await operatorOf(flags);
      const text = await tokenText(operator, flags.url, null);
      output.out(flags.json ? JSON.stringify({ token: text }) : text);
    });
}

async function tokenText(operator: AuthorityOperator, url: string | undefined, secret: Uint8Array | null) {
  const { certificateFingerprint, formatEnrolmentToken } = await import('@pulsemesh/identity/authority');
  const { relayUrl: usual, relayPeer, root } = operator.settings;
  const relayUrl = url ?? usual ?? operator.runningAt;
  if (relayUrl === null) throw new UsageError('say with --url where agents reach the relay');
  return formatEnrolmentToken({ relayUrl, relayPeer, rootFingerprint: certificateFingerprint(root), secret });
}

function addDecisions(authority: Command, output: Output): void {
  withFlags(authority.command('pending'))
    .summary('who asks to be let in')
    .action(async (flags: AuthorityFlags) => {
      await using operator = await operatorOf(flags);
      const pending = await operator.pending();
      if (flags.json) return output.out(JSON.stringify(pending, null, 2));
      const rows = pending.map(({ id, organisation, role, peer, createdMs }) => [
        ...[id, organisation, role, peer],
        new Date(createdMs).toISOString(),
      ]);
      for (const line of table([['id', 'organisation', 'role', 'peer id', 'asked'], ...rows])) output.out(line);
    });
  withFlags(authority.command('agents'))
    .summary('who was let in')
    .action(async (flags: AuthorityFlags) => {
      await using operator = await operatorOf(flags);
      const agents = await operator.agents();
      if (flags.json) return output.out(JSON.stringify(agents, null, 2));
      const rows = agents.map(({ peer, organisation, role, revoked, notAfterMs }) => [
        ...[peer, organisation, role],
        revoked === null ? `until ${notAfterMs === null ? '' : new Date(notAfterMs).toISOString()}` : 'revoked',
      ]);
      for (const line of table([['peer id', 'organisation', 'role', 'certificate'], ...rows])) output.out(line);
    });
  withFlags(authority.command('approve').argument('<id>', 'as `pending` shows it'))
    .summary('yes to a request: compare the peer id with what the other side reads out')
    .action(async (id: string, flags: AuthorityFlags) => {
      await using operator = await operatorOf(flags);
      await operator.approve(parseRequest(id));
    });
  withFlags(authority.command('refuse').argument('<id>', 'as `pending` shows it'))
    .summary('no to a request')
    .option('--reason <text>', 'what the other side is told', 'not approved')
    .action(async (id: string, flags: AuthorityFlags & { readonly reason: string }) => {
      await using operator = await operatorOf(flags);
      await operator.refuse(parseRequest(id), flags.reason);
    });
}

function addRevoke(authority: Command, output: Output): void {
  withFlags(authority.command('revoke').argument('<peer-id or serial>', 'an agent for good, or one certificate'))
    .summary('takes it back: open sessions end at once')
    .option('--reason <text>', 'for the books; key-compromise is told to others too', 'revoked by the operator')
    .action(async (target: string, flags: AuthorityFlags & { readonly reason: string }) => {
      await using operator = await operatorOf(flags);
      const peer = await operator.revoke(parseTarget(target), flags.reason);
      if (flags.json) output.out(JSON.stringify({ revoked: peer }));
    });
  withFlags(authority.command('crl'))
    .summary('the list of revoked certificates, PEM, for other servers')
    .action(async (flags: AuthorityFlags) => {
      const { revocationListToPem } = await import('@pulsemesh/identity/authority');
      await using operator = await operatorOf(flags);
      const crl = await operator.crl();
      if (flags.json) output.out(JSON.stringify({ crl: Buffer.from(crl).toString('base64') }));
      else output.out(revocationListToPem(crl).trimEnd());
    });
}

function parseRequest(text: string): string {
  if (!/^[0-9a-f]{16}$/.test(text)) throw new InvalidArgumentError('Wanted: the 16 digits that `pending` shows.');
  return text;
}

function parseTarget(text: string): RevocationTarget {
  const serial = printable(text).toLowerCase();
  return /^([0-9a-f]{2}){1,20}$/.test(serial) ? { serial } : { peer: parsePeer(text) };
}

async function operatorOf(flags: AuthorityFlags): Promise<AuthorityOperator> {
  const { openAuthorityOperator } = await import('@pulsemesh/node/relay');
  return openAuthorityOperator({ directory: await folderOf(flags) }, dependencies());
}

async function folderOf(flags: AuthorityFlags): Promise<string> {
  const { authorityFolderName } = await import('@pulsemesh/node/relay');
  return join(relayData(flags), authorityFolderName);
}

function relayData({ data }: AuthorityFlags): string {
  return resolve(data ?? `${dataDirectory()}/nodes/relay`);
}

function dependencies() {
  // A command ends when its work is done: its timers do not hold it.
  const clock = createSystemClock({ unref: true });
  return { clock, random: createSystemRandom(), logger: silentLogger, meter: silentPrometheus };
}

const silentInstrument = { add: () => {}, set: () => {}, observe: () => {} };
const silentPrometheus = {
  counter: () => silentInstrument,
  gauge: () => silentInstrument,
  histogram: () => silentInstrument,
  text: async () => '',
};
