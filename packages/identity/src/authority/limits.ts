/** What a certificate may say that its holder does. */
export const authorityRoles = [
  'agent',
  'relay',
  'board',
  'authority',
  'bootstrap',
  'ingest',
  'storage',
  'aggregation',
  'prediction',
  'notification',
  'gateway',
  'operator',
] as const;

/** One of {@link authorityRoles}. */
export type AuthorityRole = (typeof authorityRoles)[number];

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Limits of the identity authority, with what happens when each is reached. */
export const authorityLimits = {
  /** How long an agent's certificate holds, unless told otherwise. */
  certificateMs: dayMs,
  /** How long a server's TLS certificate holds, unless told otherwise. */
  serverCertificateMs: 30 * dayMs,
  /** How long the root holds. */
  rootMs: 3_650 * dayMs,
  /** How far a certificate is dated back, for clocks that are behind. */
  backdateMs: 5 * 60_000,
  /** Certificates an agent shows, the root included: past it `too-long-chain`. */
  chainMax: 3,
  /** One certificate in DER, bytes: past it `malformed`. */
  certificateBytesMax: 8_192,
  /** A certificate may be renewed for so long after it ran out; later the agent enrols anew. */
  renewalGraceMs: 7 * dayMs,
  /** How far a request's time may be from the authority's clock. */
  requestSkewMs: 10 * 60_000,
  /** Certificates of one agent that hold at the same time: past it a renewal is refused (`too-many-certificates`). */
  certificatesPerAgentMax: 8,
  /** Requests that wait for an operator: past it new ones are refused (`authority-full`, retryable). */
  pendingMax: 1_000,
  /** Agents: past it enrolment is refused (`authority-full`). */
  agentsMax: 100_000,
  /** Tokens that can still be used: past it making another is refused (`authority-full`). */
  tokensMax: 10_000,
  /** How long a request is remembered: pending ones are then dropped, issued and refused ones forgotten. */
  requestKeepMs: 30 * dayMs,
  /** Uses of one token. */
  tokenUsesMax: 1_000,
  /** How long a token may hold. */
  tokenMsMax: 90 * dayMs,
  /** How long it holds unless told otherwise. */
  tokenMs: 7 * dayMs,
  /** How long after its making a list of revoked certificates is to be replaced. */
  crlMs: 12 * hourMs,
  /** One list in DER, bytes; also bounds what is parsed. */
  crlBytesMax: 16 * 1024 * 1024,
  /** One message of the service, bytes: past it `malformed`. */
  messageBytesMax: 8_192,
  /** One answer of the service, bytes. */
  answerBytesMax: 16 * 1024 * 1024 + 65_536,
  /** Organisation, characters: X.520's upper bound of organizationName. */
  organisationCharactersMax: 64,
  /** A reason an operator gives, characters. */
  reasonCharactersMax: 200,
  /** Calls that wait for the one before: past it `authority-busy`. */
  waitingMax: 256,
  /** Requests of one source (an address, a peer) in a burst, and again within {@link authorityLimits.ratePeriodMs}. */
  requestsPerSource: 30,
  /** Wrong tokens over all sources in a burst: past it they are refused as `too-many-guesses`; right ones are taken all the same. */
  wrongTokensMax: 100,
  ratePeriodMs: 60_000,
  /** Sources remembered: past it the one longest silent is forgotten. */
  sourcesMax: 10_000,
} as const;

/** True for one of {@link authorityRoles}. */
export function isAuthorityRole(value: unknown): value is AuthorityRole {
  return authorityRoles.includes(value as AuthorityRole);
}
