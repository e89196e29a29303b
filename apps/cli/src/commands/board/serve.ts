import { join, resolve } from 'node:path';
import { formatEvidence } from '@pulsemesh/board/client';
import { dataDirectory } from '@pulsemesh/node';
import { writeFileAtomically } from '@pulsemesh/node/relay';
import type { Command } from 'commander';
import { type Output, table, UsageError } from '../../output.ts';
import { parseCount, parsePort } from '../../parse.ts';
import { type NetworkFlags, networkOf, withNetworkFlags } from '../agent-flags.ts';
import { type PlaceFlags, parsePeer, withPlaceFlags } from '../identity/place.ts';
import { boardDependencies } from './board-flags.ts';

interface ServeFlags extends PlaceFlags {
  readonly port: number;
  readonly host: string;
  readonly origin?: string;
  readonly witness: readonly string[];
  readonly cosignatures?: number;
  readonly authority: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly open?: true;
}

/** `board serve`. */
export function addServe(board: Command, output: Output, setExitCode: (code: number) => void): void {
  withPlaceFlags(board.command('serve'), { json: false })
    .summary('run a board until Ctrl-C')
    .description(
      'The first line on standard output is JSON: {"listening": URL, "key": KEY, "peerId": ID}. Hand URL and key to those who are to use it.',
    )
    .option('--port <port>', 'where to listen; 0 takes a free one', parsePort, 8480)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--origin <name>', 'names the log for ever, as board.example/1 (default: from its key)')
    .option('--witness <key...>', 'who cosigns: KEY comes by itself, KEY=URL is asked', [])
    .option('--cosignatures <number>', 'how many of them a checkpoint has before it is shown (default: 1)', parseCount)
    .option('--authority <peer...>', 'peers that may revoke keys of others', [])
    .option('--open', 'whoever reaches it may add entries (default: those let in with `board admit`)')
    .option('--tls-cert <file>', 'certificate chain (PEM)')
    .option('--tls-key <file>', 'its key (PEM)')
    .action(async (flags: ServeFlags) => {
      const { runBoard } = await import('@pulsemesh/node/board');
      const { tlsCert, tlsKey, host, port, origin, cosignatures, authority, open } = flags;
      if ((tlsCert === undefined) !== (tlsKey === undefined))
        throw new UsageError('--tls-cert and --tls-key go together');
      const settings = {
        host,
        port,
        witnesses: flags.witness.map(parseWitness),
        authorities: authority.map(parsePeer),
        ...(origin === undefined ? {} : { origin }),
        ...(cosignatures === undefined ? {} : { cosignatures }),
        ...(open === undefined ? {} : { open }),
        ...(tlsCert === undefined || tlsKey === undefined
          ? {}
          : { tls: { certFile: resolve(tlsCert), keyFile: resolve(tlsKey) } }),
      };
      const onListening = ({ url, key, peerId }: { url: string; key: string; peerId: string }) =>
        output.out(JSON.stringify({ listening: url, key, peerId }));
      setExitCode(await runBoard({ config: { ...aloneConfig(flags, 'board'), board: settings }, onListening }));
    });
}

/** `KEY` or `KEY=URL`; keys end in base64, which itself ends in up to two `=`. */
function parseWitness(text: string): { key: string; url?: string } {
  const at = text.search(/=https?:\/\//);
  return at < 0 ? { key: text } : { key: text.slice(0, at), url: text.slice(at + 1) };
}

interface WitnessFlags extends PlaceFlags, NetworkFlags {
  readonly board: readonly string[];
  readonly name?: string;
  readonly listen?: number;
}

/** `board witness`. */
export function addWitness(board: Command, output: Output, setExitCode: (code: number) => void): void {
  withNetworkFlags(withPlaceFlags(board.command('witness'), { json: false }))
    .summary('cosign what boards show, so that none can show different people different things')
    .description(
      'Follows each board in full and signs its checkpoints as long as each continues the one before. Works from behind any\n' +
        'firewall. The first line on standard output is JSON with its key, which operators and users of the board need.',
    )
    .requiredOption('--board <key=url...>', 'which boards')
    .option('--name <name>', 'under which its signatures stand, for ever (default: from its key)')
    .option('--listen <port>', 'be asked by the boards instead of asking them', parsePort)
    .action(async (flags: WitnessFlags) => {
      const { runWitness } = await import('@pulsemesh/node/board');
      const boards = flags.board.map((text) => {
        const { key, url } = parseWitness(text);
        if (url === undefined) throw new UsageError('--board wants KEY=URL');
        return { key, url };
      });
      const config = aloneConfig(flags, 'witness');
      const witness = {
        boards,
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.listen === undefined ? {} : { listen: { port: flags.listen } }),
      };
      const code = await runWitness({
        config: { ...config, witness },
        network: networkOf(flags),
        onRunning({ key, url }, service) {
          output.out(JSON.stringify({ key, ...(url === null ? {} : { listening: url }) }));
          service.onEvidence((evidence, boardKey) => {
            const file = join(config.dataDirectory, 'evidence.json');
            writeFileAtomically(file, formatEvidence(evidence, boardKey));
            output.err(`*** A BOARD LIED. This witness signs nothing of it any more. The evidence is in ${file}. ***`);
          });
        },
      });
      setExitCode(code);
    });
}

interface AdmitFlags {
  readonly data?: string;
  readonly entries?: number;
  readonly bytes?: number;
  readonly remove?: true;
  readonly json?: boolean;
}

/** `board admit`. */
export function addAdmit(board: Command, output: Output): void {
  board
    .command('admit')
    .summary('let a peer add entries, on the machine of the board; without a peer, list who may')
    .argument('[peer]', 'its peer id')
    .option('--data <directory>', 'where the board lies')
    .option('--entries <number>', 'how many a day (with --bytes)', parseCount)
    .option('--bytes <number>', 'how many bytes a day (with --entries)', (text) => Number(text))
    .option('--remove', 'no more from now on; what is there stays')
    .option('--json', 'as JSON')
    .action(async (peer: string | undefined, flags: AdmitFlags) => {
      const { openAdmission } = await import('@pulsemesh/node/board');
      const { clock } = boardDependencies();
      await using opened = await openAdmission(boardData(flags), { clock });
      const { admission } = opened;
      if (peer === undefined) return showAdmitted(admission.list(), flags, output);
      const author = parsePeer(peer);
      if (flags.remove) await admission.dismiss(author);
      else await admission.admit(author, quotaOf(flags));
      output.out(
        flags.json
          ? JSON.stringify({ peer, admitted: !flags.remove })
          : `${peer}: ${flags.remove ? 'no more' : 'may add'}`,
      );
    });
}

function quotaOf({ entries, bytes }: AdmitFlags) {
  if (entries === undefined && bytes === undefined) return null;
  if (entries === undefined || !Number.isSafeInteger(bytes) || bytes === undefined || bytes < 1) {
    throw new UsageError('--entries and --bytes go together, as whole numbers');
  }
  return { entriesMax: entries, bytesMax: bytes };
}

function showAdmitted(
  list: readonly { readonly peer: string; readonly sinceMs: number; readonly quota: object | null }[],
  flags: AdmitFlags,
  output: Output,
): void {
  if (flags.json) {
    output.out(JSON.stringify(list));
    return;
  }
  const rows = list.map(({ peer, sinceMs, quota }) => [
    peer,
    new Date(sinceMs).toISOString(),
    quota === null ? 'the usual' : JSON.stringify(quota),
  ]);
  for (const line of table([['peer', 'since', 'a day'], ...rows])) output.out(line);
}

function boardData({ data }: { readonly data?: string }): string {
  return resolve(data ?? `${dataDirectory()}/nodes/board`);
}

/** The parts of a node's configuration that a board or a witness alone has too. */
function aloneConfig(flags: PlaceFlags, name: 'board' | 'witness') {
  const { data, keyFile, passphraseFile, keystore } = flags;
  return {
    name,
    dataDirectory: resolve(data ?? `${dataDirectory()}/nodes/${name}`),
    ...(keyFile === undefined ? {} : { keyFile: resolve(keyFile) }),
    ...(passphraseFile === undefined ? {} : { passphraseFile: resolve(passphraseFile) }),
    ...(keystore === undefined ? {} : { keystore }),
  };
}
