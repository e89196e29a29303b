import {
  backupWordCount,
  backupWords,
  customaryKeyStore,
  type Identity,
  keystoreNames,
  loadIdentity,
  loadOrCreateIdentity,
  protectIdentity,
  readCardFile,
  restoreIdentity,
  rotateSealing,
  succeedIdentity,
  verifySuccession,
} from '@pulsemesh/identity';
import type { Command } from 'commander';
import { type Output, UsageError } from '../../output.ts';
import type { Terminal } from '../../terminal.ts';
import { addCard, renewCard } from './card.ts';
import { addContacts } from './contacts.ts';
import { addDevices } from './devices.ts';
import { type Place, type PlaceFlags, parsePeer, placeOf, withPlaceFlags } from './place.ts';

/** `pulsemesh identity`: the key one is known by, and what others need to know of it. */
export function addIdentity(program: Command, output: Output, terminal: Terminal): void {
  const identity = program
    .command('identity')
    .summary('your key, its backup, your contact card, your devices')
    .description(
      'An identity is a key that never leaves this machine; its peer id is your address. Others reach you by your contact\n' +
        'card, which you give them by QR code, file or text: it holds nothing secret, and nobody can change it.',
    )
    .addHelpText(
      'after',
      `
Begin with:
  $ pulsemesh identity create                         make it (a node makes its own at its first start)
  $ pulsemesh identity words                          write the backup down, on paper
  $ pulsemesh identity card --name "Robin Ashdown" --qr
  $ pulsemesh identity contacts add robin.card        take somebody else's card

Another place:   --data /srv/pulsemesh/storage        the identity of a node
Lost machine:    pulsemesh identity restore           type the words
Stolen machine:  pulsemesh identity rotate --identity --forget, then give everybody the new card`,
    );
  addShow(identity, output);
  addWords(identity, terminal);
  addRestore(identity, output, terminal);
  addRotate(identity, output);
  addCard(identity, output);
  addContacts(identity, output, terminal);
  addDevices(identity, output, terminal);
}

function addShow(identity: Command, output: Output): void {
  withPlaceFlags(identity.command('create'))
    .summary('make it, unless there is one')
    .action(async (flags: PlaceFlags) => {
      const place = placeOf(flags);
      await showIdentity(place, await loadOrCreateIdentity(place.options, place.deps), flags, output);
    });
  withPlaceFlags(identity.command('show'))
    .summary('peer id, keys in use, card in force')
    .action(async (flags: PlaceFlags) => {
      const place = placeOf(flags);
      await showIdentity(place, await loadIdentity(place.options, place.deps), flags, output);
    });
  const here = customaryKeyStore(process.platform);
  withPlaceFlags(
    identity.command('protect').argument('<with>', 'key-file, passphrase, keystore, or the name of a keystore'),
  )
    .summary('put it under another key file, passphrase or keystore')
    .option('--to-file <file>', 'the new key file, or the file with the new passphrase')
    .addHelpText(
      'after',
      `
Example:
  $ pulsemesh identity protect keystore               from the key file to ${here ?? 'the keystore'}
  $ pulsemesh identity protect passphrase --to-file ~/passphrase

Afterwards the old key file or passphrase opens nothing: delete it.`,
    )
    .action(async (kind: string, flags: PlaceFlags & { readonly toFile?: string }) => {
      const place = placeOf(flags);
      const to = placeOf({
        ...(flags.data === undefined ? {} : { data: flags.data }),
        ...newProtection(kind, flags.toFile),
      });
      await showIdentity(place, await protectIdentity(place.options, to.options, place.deps), flags, output);
    });
}

function newProtection(kind: string, file: string | undefined): PlaceFlags {
  if (kind === 'keystore') return { keystore: 'auto' };
  const store = keystoreNames.find((name) => name === kind);
  if (store !== undefined) return { keystore: store };
  if (kind !== 'key-file' && kind !== 'passphrase')
    throw new UsageError(`wanted: key-file, passphrase, keystore, or one of ${keystoreNames.join(', ')}`);
  if (file === undefined) throw new UsageError(`a ${kind} needs --to-file`);
  return kind === 'key-file' ? { keyFile: file } : { passphraseFile: file };
}

function addWords(identity: Command, terminal: Terminal): void {
  withPlaceFlags(identity.command('words'))
    .summary(`its backup: ${backupWordCount} words, shown on the terminal only`)
    .description(
      `Shows the key as ${backupWordCount} words. Whoever reads them is you, on any machine: write them on paper, keep it where you keep\n` +
        'your passport, and put them into no file and no picture.',
    )
    .action(async (flags: PlaceFlags) => {
      if (flags.json || !terminal.isInteractive)
        throw new UsageError('backup words are shown on a terminal only, not written to a file or a pipe');
      const { options, deps } = placeOf(flags);
      const found = await loadIdentity(options, deps);
      const answer = await terminal.ask('Whoever sees the words is you. Is nobody looking? Type "show" to go on: ');
      if (answer.trim() !== 'show') throw new UsageError('not confirmed: nothing was shown');
      terminal.show(`\n${found.peerId}\n`);
      for (const line of wordLines(backupWords(found))) terminal.show(line);
      terminal.show(
        '\nBring it back with `pulsemesh identity restore --peer`, this peer id, and these words in order.',
      );
    });
}

/** Four columns of numbered words. */
export function wordLines(words: readonly string[]): readonly string[] {
  const cells = words.map((word, index) => `${String(index + 1).padStart(2)}. ${word}`.padEnd(14));
  const rows = Math.ceil(cells.length / 4);
  return Array.from({ length: rows }, (_, row) =>
    [0, 1, 2, 3]
      .map((column) => cells[column * rows + row] ?? '')
      .join('')
      .trimEnd(),
  );
}

function addRestore(identity: Command, output: Output, terminal: Terminal): void {
  withPlaceFlags(identity.command('restore'))
    .summary('bring it back from its backup words')
    .description(
      'Asks for the words, or reads them from standard input; never takes them as arguments, which others on the machine can\n' +
        'read. With --peer it tells which word is wrong. Makes a new sealing key: give out a new card afterwards.',
    )
    .option('--peer <peer-id>', 'the peer id it had')
    .addHelpText(
      'after',
      `
Example:
  $ pulsemesh identity restore --peer 12D3KooW…`,
    )
    .action(async (flags: PlaceFlags & { readonly peer?: string }) => {
      const place = placeOf(flags);
      const expected = flags.peer === undefined ? {} : { expected: parsePeer(flags.peer) };
      const words = terminal.isInteractive
        ? await terminal.ask(`The ${backupWordCount} words, in order, with spaces between: `)
        : await terminal.readInput();
      const restored = await restoreIdentity(words, { ...place.options, ...expected }, place.deps);
      await showIdentity(place, restored, flags, output);
    });
}

function addRotate(identity: Command, output: Output): void {
  withPlaceFlags(identity.command('rotate'))
    .summary('a new sealing key; or, with --identity, a new key altogether')
    .description(
      'Takes a new sealing key into use; your address stays, and what is under way still opens for 70 days. With --identity\n' +
        'you get a new key and a new address, with a statement of both keys that those who hold your old card can follow.\n' +
        'Your card, where you have one, is made anew: give it out.',
    )
    .option('--identity', 'a new key and address; make a new backup of words then')
    .option('--forget', 'forget the old sealing keys at once: somebody else may have them')
    .action(async (flags: PlaceFlags & { readonly identity?: boolean; readonly forget?: boolean }) => {
      const place = placeOf(flags);
      const change = flags.identity ? succeedIdentity : rotateSealing;
      const changed = await change(place.options, place.deps, { forgetsOld: flags.forget === true });
      await renewCard(place, changed);
      await showIdentity(place, changed, flags, output);
    });
}

async function showIdentity(place: Place, identity: Identity, flags: PlaceFlags, output: Output): Promise<void> {
  const view = await viewOf(place, identity);
  if (flags.json) return output.out(JSON.stringify(view, null, 2));
  const day = (ms: number) => (ms === 0 ? 'the beginning' : new Date(ms).toISOString().slice(0, 10));
  output.out(`peer id      ${view.peerId}`);
  output.out(`file         ${view.file}`);
  output.out(`sealing key  ${view.sealing.epoch}, in use since ${day(view.sealing.fromMs)}`);
  if (view.retired.length > 0) output.out(`retired      ${view.retired.length} that still open`);
  for (const peer of view.formerly) output.out(`formerly     ${peer}`);
  const { card } = view;
  output.out(`card         ${card === null ? 'none yet' : `version ${card.version}, expires ${day(card.expiresMs)}`}`);
}

async function viewOf(place: Place, identity: Identity) {
  const card = await readCardFile(place.card);
  const isOwn = card?.peerId === identity.peerId;
  return {
    peerId: identity.peerId,
    file: place.options.file,
    sealing: identity.sealing.toJSON(),
    retired: identity.sealingKeys.slice(1).map((key) => key.toJSON()),
    formerly: identity.successions.map((bytes) => verifySuccession(bytes).from),
    card: card === null || !isOwn ? null : { version: card.version, expiresMs: card.expiresMs },
  };
}
