import { join } from 'node:path';
import { Condition, sleep, type WaitOptions } from '@pulsemesh/base';
import { type Identity, identityFileNames } from '@pulsemesh/identity';
import { certificateToPem, Enrolment, type EnrolmentToken, type EnrolmentWish } from '@pulsemesh/identity/authority';
import { connectLink, createFileMemory, type Link, type NodeLinkOptions, startLink } from '@pulsemesh/link';
import type { TableStore } from '@pulsemesh/store';
import type { NodeDependencies } from '../process/node-context.ts';
import { version } from '../version.ts';
import { type AgentClient, connectAgent } from './agent-client.ts';
import { AgentContacts } from './agent-contacts.ts';
import { type AgentUse, openAgentStore } from './agent-store.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { writeFileAtomically } from './write-file.ts';

/** What an agent keeps in its data directory beside its identity. */
export const agentFileNames = {
  enrolment: 'enrolment.state',
  /** The certificate in force, PEM: `relays.N.certificateFile` of a node takes it. */
  certificate: 'agent.crt',
  /** The authority's root, PEM. */
  root: 'authority-root.crt',
} as const;

/** Where agents and nodes keep what worked on which network. */
export const networkMemoryFile = 'network-memory.json';

/** The way out of the building. */
export type AgentNetwork = Pick<NodeLinkOptions, 'proxy' | 'proxyCredentialsFile' | 'trust'>;

export interface EnrolAgentOptions extends WaitOptions {
  readonly dataDirectory: string;
  /** Null: goes on with what the data directory holds. */
  readonly token: EnrolmentToken | null;
  readonly wish?: EnrolmentWish;
  readonly network: AgentNetwork;
  /** How often an operator's answer is asked for, milliseconds. Default 5 s. */
  readonly askEveryMs?: number;
  /** Told once when an operator has to decide. */
  readonly onPending?: () => void;
}

/** There is neither a token nor an enrolment. */
export class NoTokenError extends Condition {
  override readonly name = 'NoTokenError';
  constructor() {
    super('token-missing', 'this agent is not enrolled yet: give it the token from the operator of the relay');
  }
}

/**
 * Enrols over whatever the network lets through, or goes on with an enrolment; resolves with a certificate that holds. Opens no
 * listening socket. Repeating it is harmless.
 * @throws {NoTokenError}; {EnrolmentError}; what connecting throws; the authority's refusal (`LinkRemoteError` with its code); `signal.reason`.
 */
export async function enrolAgent(
  options: EnrolAgentOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<Enrolment> {
  const file = join(options.dataDirectory, agentFileNames.enrolment);
  const { token, wish, signal } = options;
  const enrolment =
    token === null
      ? await Enrolment.open(file, identity, deps)
      : await Enrolment.begin({ file, token, ...(wish === undefined ? {} : { wish }) }, identity, deps);
  if (enrolment === null) throw new NoTokenError();
  if (enrolment.membership === null) {
    const wait = signal === undefined ? {} : { signal };
    // As a guest: with no certificate, or one that ran out, there is nothing else to show.
    const link = linkOptions(enrolment, identity, options);
    await using connected = await connectLink({ ...link, ...wait }, deps);
    const request = connected.request.bind(connected);
    if (enrolment.certificates.length > 0) await enrolment.renew(request, wait);
    else await enrolUntilDecided(enrolment, request, options, deps);
  }
  writeCertificates(enrolment, options.dataDirectory);
  return enrolment;
}

/** The enrolment that the data directory holds. @throws {NoTokenError} where there is none, or no certificate yet; {EnrolmentError}. */
export async function openEnrolment(
  dataDirectory: string,
  identity: Identity,
  deps: NodeDependencies,
): Promise<Enrolment> {
  const enrolment = await Enrolment.open(join(dataDirectory, agentFileNames.enrolment), identity, deps);
  if (enrolment === null || enrolment.certificates.length === 0) throw new NoTokenError();
  return enrolment;
}

async function enrolUntilDecided(
  enrolment: Enrolment,
  request: Link['request'],
  { askEveryMs = 5_000, onPending, signal }: EnrolAgentOptions,
  { clock }: NodeDependencies,
): Promise<void> {
  const wait = signal === undefined ? {} : { signal };
  let isTold = false;
  while ((await enrolment.enrol(request, wait)) === 'pending') {
    if (!isTold) onPending?.();
    isTold = true;
    await sleep(clock, askEveryMs, wait);
  }
}

/** An agent that takes part. Disposing ends its session. */
export interface RunningAgent extends AsyncDisposable {
  readonly link: Link;
  /** Its mailbox and streams at the relay. */
  readonly client: AgentClient;
  /** Its durable tables: a mark of `client.receive` is to be committed here. */
  readonly store: TableStore;
  readonly contacts: AgentContacts;
  /** Resolves once the own card (`contact.card`) is current; never where the agent only sends. */
  readonly cardCurrent: Promise<void>;
  /** Resolves when it can take part no more (revoked, say), with why; null once disposed. */
  readonly ended: Promise<Condition | null>;
}

export interface StartAgentOptions extends Pick<EnrolAgentOptions, 'dataDirectory' | 'network'> {
  readonly enrolment: Enrolment;
  /** Default `both`. */
  readonly use?: AgentUse;
  /** Reads the identity again, its sealing key replaced when that is due (`openFreshIdentity`); called once a day. Default: it stays. */
  readonly readIdentity?: () => Promise<Identity>;
}

/**
 * Keeps an enrolled agent at its relay: logged in by certificate, renewed in time, its card current, its mailboxes read, answering
 * `ping`. What was sent and what was received is remembered in the data directory. Over one outgoing session: nothing listens.
 * @throws {AgentBusyError}; what opening the tables and the contacts throws.
 */
export async function startAgent(
  options: StartAgentOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<RunningAgent> {
  const { dataDirectory, enrolment, use = 'both', readIdentity = null } = options;
  await using stack = new AsyncDisposableStack();
  const { store } = stack.use(await openAgentStore({ dataDirectory, use }, deps));
  const contacts = await AgentContacts.open(join(dataDirectory, identityFileNames.contacts), deps);
  const relay = { url: enrolment.relayUrl, peerId: enrolment.relayPeer };
  const { link, ended } = startMember(options, identity, deps, stack);
  const { client, cardCurrent } = await connectAgent(
    { dataDirectory, use, link, relay, contacts, store, identity, readIdentity },
    deps,
    stack,
  );
  if (use !== 'send') stack.use(servePing(client));
  const rest = stack.move();
  return {
    link,
    client,
    store,
    contacts,
    cardCurrent,
    ended: ended.promise,
    async [Symbol.asyncDispose]() {
      await rest.disposeAsync();
      ended.resolve(null);
    },
  };
}

/** The agent's link, with a certificate that is kept fresh; both end with `stack`. */
export function startMember(
  options: Pick<StartAgentOptions, 'dataDirectory' | 'network' | 'enrolment'>,
  identity: Identity,
  deps: NodeDependencies,
  stack: AsyncDisposableStack,
): { readonly link: Link; readonly ended: PromiseWithResolvers<Condition | null> } {
  const { enrolment, dataDirectory } = options;
  const ended = Promise.withResolvers<Condition | null>();
  const onRenewed = () => writeCertificates(enrolment, dataDirectory);
  const keeper = stack.use(new CertificateKeeper(enrolment, { onRenewed, onEnded: ended.resolve }, deps));
  const link = stack.use(
    startLink(
      {
        ...linkOptions(enrolment, identity, options),
        certificates: keeper.certificates,
        memory: createFileMemory(join(dataDirectory, networkMemoryFile), deps),
      },
      deps,
    ),
  );
  keeper.renewOver(link);
  void link.closed.then(ended.resolve);
  return { link, ended };
}

function servePing({ raw }: AgentClient): Disposable {
  return raw.serve('ping', async (stream) => {
    const message = await stream.receive();
    if (message !== null) await stream.send(message);
    stream.end();
  });
}

function linkOptions(
  { relayUrl, relayPeer }: Enrolment,
  identity: Identity,
  { network }: { readonly network: AgentNetwork },
): NodeLinkOptions {
  const software = `pulsemesh/${version} node/${process.versions.node}`;
  return { url: relayUrl, server: relayPeer, identity, software, ...network };
}

/** Puts the certificate in force where other programs find it. */
export function writeCertificates({ certificates, root }: Enrolment, dataDirectory: string): void {
  const pem = certificates.map(certificateToPem).join('');
  writeFileAtomically(join(dataDirectory, agentFileNames.certificate), pem);
  if (root !== null) writeFileAtomically(join(dataDirectory, agentFileNames.root), certificateToPem(root));
}
