import { join, resolve } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { loadIdentity, loadOrCreateIdentity } from '@pulsemesh/identity';
import type { AgentView, AuthorityRole, RevocationTarget, TokenFacts } from '@pulsemesh/identity/authority';
import { dataDirectory } from '@pulsemesh/node';
import type { AuthorityOperator } from '@pulsemesh/node/relay';
import type { PeerId } from '@pulsemesh/wire';
import { type Command, Option } from 'commander';
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
  $ pulsemesh enrol pm1.… --data /srv/agent --stay

Somebody left:   pulsemesh authority revoke 12D3KooW… --data /srv/relay --reason left
Backup:          pulsemesh identity words --data /srv/relay/authority`,
    );
  addInit(authority, output);
  addToken(authority, output);
  addDecisions(authority, output);
  addRevoke(authority, output);
  addServerCertificate(authority, output);
  addInvite(authority, output);
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
        const names = namesOf(flags);
        assertOrganisation(flags.organisation, library);
        assertRelayUrl(flags.url, library);
        const wrong = names.find((name) => !library.isIpv4(name) && !library.isDnsName(name));
        if (wrong !== undefined) throw new UsageError(`--name: ${printable(wrong)} is no DNS name and no IPv4 address`);
        const relay = await loadOrCreateIdentity(place.options, place.deps);
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
        output.err(
          'From its next start the relay lets in only those who have a certificate: start it again if it runs.',
        );
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
      const library = await import('@pulsemesh/identity/authority');
      assertOrganisation(organisation, library);
      assertRelayUrl(flags.url, library);
      const { tokenUsesMax, tokenMsMax } = library.authorityLimits;
      if (uses > tokenUsesMax) throw new UsageError(`--uses: at most ${tokenUsesMax}`);
      if (hours * 3_600_000 > tokenMsMax) throw new UsageError(`--hours: at most ${tokenMsMax / 3_600_000}`);
      const facts: TokenFacts = { organisation, role, uses, forMs: hours * 3_600_000 };
      await using operator = await operatorOf(flags);
      // Before the token is made: one that nobody can be told of would lie there.
      assertReachable(operator, flags.url);
      const text = await tokenText(operator, flags.url, await operator.createToken(facts));
      output.out(flags.json ? JSON.stringify({ token: text }) : text);
    });
  withFlags(authority.command('address'))
    .summary('the same without the secret: whoever enrols with it waits for your yes')
    .option('--url <url>', 'where the agent reaches the relay, if not as usual')
    .action(async (flags: AuthorityFlags & { readonly url?: string }) => {
      assertRelayUrl(flags.url, await import('@pulsemesh/identity/authority'));
      await using operator = await operatorOf(flags);
      const text = await tokenText(operator, flags.url, null);
      output.out(flags.json ? JSON.stringify({ token: text }) : text);
    });
}

type Library = typeof import('@pulsemesh/identity/authority');

function assertOrganisation(name: string, { isOrganisation, authorityLimits }: Library): void {
  const { organisationCharactersMax } = authorityLimits;
  if (!isOrganisation(name))
    throw new UsageError(
      `--organisation: 1 … ${organisationCharactersMax} characters, none of them a control character`,
    );
}

function assertRelayUrl(url: string | undefined, { isRelayUrl }: Library): void {
  if (url !== undefined && !isRelayUrl(url))
    throw new UsageError('--url: https://host[:port], as agents reach the relay, without a password');
}

function assertReachable({ settings, runningAt }: AuthorityOperator, url: string | undefined): string {
  const relayUrl = url ?? settings.relayUrl ?? runningAt;
  if (relayUrl === null) throw new UsageError('say with --url where agents reach the relay');
  if (url === undefined && settings.relayUrl === null && /^https?:\/\/(0\.0\.0\.0|\[::\])(:|\/|$)/.test(relayUrl))
    throw new UsageError(
      `the relay listens at ${relayUrl}, which is no address to connect to: say with --url where agents reach it`,
    );
  return relayUrl;
}

async function tokenText(operator: AuthorityOperator, url: string | undefined, secret: Uint8Array | null) {
  const { certificateFingerprint, formatEnrolmentToken } = await import('@pulsemesh/identity/authority');
  const { relayPeer, root } = operator.settings;
  const relayUrl = assertReachable(operator, url);
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
      const agents: AgentView[] = [];
      for (let page = await operator.agents(); page.length > 0; ) {
        agents.push(...page);
        const after = page.at(-1)?.peer;
        page = after === undefined ? [] : await operator.agents({ after });
      }
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
      const request = parseRequest(id);
      await using operator = await operatorOf(flags);
      await operator.approve(request);
      output.out(`approved ${id}: the agent gets its certificate when it asks again, within seconds if it waits`);
    });
  withFlags(authority.command('refuse').argument('<id>', 'as `pending` shows it'))
    .summary('no to a request')
    .option('--reason <text>', 'what the other side is told', 'not approved')
    .action(async (id: string, flags: AuthorityFlags & { readonly reason: string }) => {
      const request = parseRequest(id);
      assertReason(flags.reason);
      await using operator = await operatorOf(flags);
      await operator.refuse(request, flags.reason);
      output.out(`refused ${id}`);
    });
}

function addRevoke(authority: Command, output: Output): void {
  withFlags(authority.command('revoke').argument('<peer-id or serial>', 'an agent for good, or one certificate'))
    .summary('takes it back: open sessions end at once')
    .option('--reason <text>', 'for the books; key-compromise is told to others too', 'revoked by the operator')
    .action(async (target: string, flags: AuthorityFlags & { readonly reason: string }) => {
      assertReason(flags.reason);
      const wanted = parseTarget(target);
      await using operator = await operatorOf(flags);
      const known = 'peer' in wanted ? await knownAs(operator, wanted.peer) : null;
      const peer = await operator.revoke(wanted, flags.reason);
      if (flags.json) return output.out(JSON.stringify({ revoked: peer }));
      output.out(`revoked ${peer}${known === null ? '' : ` (${known})`}`);
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

/** Who that is, so that a slip shows. */
async function knownAs(operator: AuthorityOperator, peer: PeerId): Promise<string> {
  const known = await operator.agent(peer);
  if (known === null) return 'a key that was never enrolled here: compare it with `authority agents`';
  return `${known.role}, ${known.organisation}`;
}

function assertReason(reason: string): void {
  if (reason.length > 200 || printable(reason) !== reason || reason.trim() === '')
    throw new UsageError('--reason: 1 … 200 characters on one line');
}

function addServerCertificate(authority: Command, output: Output): void {
  withFlags(authority.command('tls').argument('<host...>', 'DNS names and IPv4 addresses of the relay'))
    .summary('a TLS certificate for the relay, for 30 days, where no other authority gives one')
    .addHelpText(
      'after',
      `
Writes relay.crt, relay.key and authority-root.crt into --data. Agents then trust that root:
  $ pulsemesh authority tls relay.example.org --data /srv/relay
  $ pulsemesh relay --data /srv/relay --tls-cert /srv/relay/relay.crt --tls-key /srv/relay/relay.key …
  $ pulsemesh enrol pm1.… --ca authority-root.crt
Run it again (a timer, once a week): the relay reads the new files by itself.`,
    )
    .action(async (hosts: readonly string[], flags: AuthorityFlags) => {
      const { certificateToPem, generateServerKey, isDnsName, isIpv4 } = await import('@pulsemesh/identity/authority');
      const { writeFileAtomically } = await import('@pulsemesh/node/relay');
      const wrong = hosts.find((host) => !isIpv4(host) && !isDnsName(host));
      if (wrong !== undefined) throw new UsageError(`${printable(wrong)} is no DNS name and no IPv4 address`);
      await using operator = await operatorOf(flags);
      const { pem, publicKey } = await generateServerKey();
      const [dns, ip] = [hosts.filter((host) => !isIpv4(host)), hosts.filter((host) => isIpv4(host))];
      const certificate = await operator.issueServer({ dns, ip, publicKey });
      const at = (name: string) => join(relayData(flags), name);
      const files = { key: at('relay.key'), cert: at('relay.crt'), root: at('authority-root.crt') };
      writeFileAtomically(files.root, certificateToPem(operator.settings.root));
      writeFileAtomically(files.key, pem);
      writeFileAtomically(files.cert, certificateToPem(certificate));
      if (flags.json) output.out(JSON.stringify(files));
      else for (const file of Object.values(files)) output.out(file);
    });
}

interface InviteFlags extends AuthorityFlags {
  readonly peer?: string;
  readonly uses: number;
  readonly hours: number;
}

function addInvite(authority: Command, output: Output): void {
  withFlags(authority.command('invite'))
    .summary('an invitation: lets somebody in without a certificate, for a while')
    .option('--peer <id>', 'the only one it is for (default: whoever holds it)')
    .option('--uses <number>', 'how many different agents it lets in', parseCount, 1)
    .option('--hours <number>', 'how long it holds', parseCount, 168)
    .addHelpText('after', '\nIts one line goes into a file that `relays.N.invitationFile` of a node names.')
    .action(async (flags: InviteFlags) => {
      const { invitationLimits, signInvitation } = await import('@pulsemesh/identity/authority');
      const { usesMax, msMax } = invitationLimits;
      if (flags.uses > usesMax) throw new UsageError(`--uses: at most ${usesMax}`);
      if (flags.hours * 3_600_000 > msMax) throw new UsageError(`--hours: at most ${msMax / 3_600_000}`);
      // Without an authority the relay looks at no invitation.
      await using operator = await operatorOf(flags);
      const place = placeOf({ data: relayData(flags) });
      const relay = await loadIdentity(place.options, place.deps);
      const expiresMs = place.deps.clock.now() + flags.hours * 3_600_000;
      const peer = flags.peer === undefined ? {} : { peer: parsePeer(flags.peer) };
      const facts = { relay: operator.settings.relayPeer, uses: flags.uses, expiresMs, ...peer };
      const invitation = signInvitation(relay, { ...facts, nonce: place.deps.random.bytes(16) });
      const text = Buffer.from(invitation).toString('base64url');
      output.out(flags.json ? JSON.stringify({ invitation: text }) : text);
    });
}

function parseRequest(text: string): string {
  if (!/^[0-9a-f]{16}$/.test(text)) throw new UsageError('wanted: the 16 digits that `authority pending` shows');
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

/** What its root may sign for: what it is told, and the host of its URL. */
function namesOf({ name = [], url }: { readonly name?: readonly string[]; readonly url?: string }): readonly string[] {
  const host = url !== undefined && URL.canParse(url) ? new URL(url).hostname : '';
  return [...new Set([...name, ...(host === '' || host.startsWith('[') ? [] : [host])])];
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
