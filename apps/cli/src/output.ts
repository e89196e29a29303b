import { Condition, errorCode, errorMessage } from '@pulsemesh/base';

/** Where a command writes: results to `out`, everything else to `err`. */
export interface Output {
  out(line: string): void;
  err(line: string): void;
  /** Resolves once what was written to `out` is out of this process. @throws why it could not be. */
  flush?(): Promise<void>;
}

/** Standard output and standard error. */
export const processOutput: Output = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  flush: () =>
    new Promise((resolve, reject) => {
      process.stdout.write('', (error) => (error ? reject(error) : resolve()));
    }),
};

/** A command was called in a way that cannot work: exit code 2. */
export class UsageError extends Condition {
  override readonly name = 'UsageError';
  constructor(message: string) {
    super('usage', message);
  }
}

/** Exit codes of the command. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

// What somebody can do about an error, where the error itself does not say.
const remedies: Readonly<Record<string, string>> = {
  'gateway-unreachable': 'Start it with `pulsemesh start`, or say where it is with --url and --token-file.',
  'no-access': 'Give the token of that gateway with --token-file.',
  'data-directory-in-use': 'Stop the other one first, or give this one a directory of its own with --data.',
  'config-invalid': 'See `pulsemesh help node` or `pulsemesh help relay` for what it needs.',
  'store-in-use': 'It is in use: a relay runs there, or just starts or stops. Try again, or give another --data.',
  'recording-missing': 'README says where the public recordings are to be had.',
  EADDRINUSE: 'Another program uses that port: choose another, or 0 for a free one.',
  EADDRNOTAVAIL: 'This machine has no such address: choose one it has, or 0.0.0.0 for all.',
  EEXIST: 'There is something else in that place: choose another directory.',
  EACCES: 'The permissions there do not allow it: choose another directory or port.',
  'patient-invalid': 'See `pulsemesh patients add --help` for what each field takes.',
  'not-found': 'See `pulsemesh patients list`.',
  'identity-missing': 'Make one with `pulsemesh identity create`, or bring one back with `pulsemesh identity restore`.',
  'identity-exists': 'Choose another place with --data, or move that one away first.',
  'interest-state-refused':
    'Put the file `interests` of the data directory back from a backup; docs/operations/network.md says what deleting it means.',
  'wrong-key': 'Say what it is under with --key-file, --passphrase-file or --keystore.',
  keystore: 'Put right what it names, or choose another one (`pulsemesh identity show --help`), or a key file.',
  'words-checksum': 'Compare them with your paper; with --peer it can be told which one is wrong.',
  'card-key-changed': 'Ask the person, by another way than the one the card came; where they are two, use --as.',
  'statement-checksum': 'Copy it again, whole, or send it as a file.',
  'statement-expired': 'Ask for a new one.',
  'token-unknown':
    'The relay does not know the token: it was used up, has expired, or is of another relay. Ask its operator for a new one.',
  'token-missing': 'Give it once: `pulsemesh enrol pm1.…`.',
  'token-malformed': 'The operator of the relay makes one with `pulsemesh authority token`.',
  'token-mismatch': 'Leave out --organisation and --role, or ask the operator for a token of that kind.',
  'token-checksum': 'Copy it again, whole.',
  'request-time': 'Set the clock of this machine right.',
  'authority-impostor': 'Give it to nobody; ask the operator of the relay whether the token is the right one.',
  'enrolment-refused': 'Ask the operator of the relay why.',
  'enrolment-wait': 'Ask the operator; run the same command again: it goes on where it was.',
  'request-unknown': 'See `pulsemesh authority pending`.',
  'certificate-unknown': 'See `pulsemesh authority agents`; an agent is revoked by its peer id.',
  'certificate-expired': 'Is the clock of this machine right? `pulsemesh enrol` without a token fetches the next one.',
  'certificate-not-yet-valid': 'Set the clock of this machine right, or that of the relay.',
  'certificate-unknown-issuer': 'It is of another authority: ask the operator of this relay for a token, and enrol.',
  'not-admitted': 'The operator of the relay adds your peer id to --allow, or gives you a token for `pulsemesh enrol`.',
  'server-impostor':
    'Ask the operator of the relay for its peer id; compare it with what the token or configuration names.',
  'door-certificate': 'Start the relay again; its commands then find it.',
  'renewal-late': 'Ask the operator for a new token, and enrol with it.',
  'certificate-revoked': 'Ask the operator of the relay why; another try needs a new key and a new token.',
  'agent-revoked': 'Ask the operator of the relay why; another try needs a new key and a new token.',
  'authority-missing': 'Make one with `pulsemesh authority init`, or say with --data where the relay lies.',
  'link-unreachable': 'See what is in the way with `pulsemesh doctor` and the URL of the relay.',
  'agent-busy': 'Stop the other one, or give this one a directory of its own with --data.',
  'contact-unknown': 'See `pulsemesh identity contacts list`, or ask them for a new card.',
  'other-relay': 'Ask them for a newer card, or enrol at their relay.',
  'send-waits': 'See what is in the way with `pulsemesh doctor` and the URL of the relay.',
  'relay-away': 'See what is in the way with `pulsemesh doctor` and the URL of the relay.',
  'not-delivered': 'Nothing is to be done: it is delivered when they come.',
  'no-such-inbox': 'Ask them for a newer card.',
  'statement-older': 'A newer one is there already; nothing is to be done.',
};

/** One sentence about what went wrong, and one about what to do. */
export function explain(error: unknown): readonly string[] {
  const message = errorMessage(error);
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`;
  const remedy = remedies[refusalOf(error) ?? errorCode(error)] ?? remedies[errorCode(error)];
  return [`pulsemesh: ${sentence}`, ...(remedy === undefined ? [] : [remedy])];
}

/** What a server refused with: it says more than that it refused. */
function refusalOf(error: unknown): string | null {
  const refusal = error instanceof Condition ? error.facts['refusal'] : undefined;
  return typeof refusal === 'string' ? refusal : null;
}

/** Columns as wide as their widest entry, two spaces apart; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, printable(cell).length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Without control characters: a name must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '�');
}
