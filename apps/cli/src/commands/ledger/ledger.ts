import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createSystemClock, errorCode } from '@pulsemesh/base';
import type { ChainVerdict, ExpectedChain } from '@pulsemesh/ledger/embedded';
import { ConsentClient, dataDirectory, type NodeConfigInput } from '@pulsemesh/node';
import type { AuditView, LedgerView } from '@pulsemesh/node/api';
import type { Command } from 'commander';
import { connectGateway, type GatewayFlags, withGatewayFlags } from '../../gateway-access.ts';
import { exitCodes, type Output, table, UsageError } from '../../output.ts';
import { parseChainId, parseDecimals, parseHttpUrl, parseList, parsePort, parseSeenBlock } from '../../parse.ts';
import { hexOf } from '../consent/consent.ts';
import { dayText } from '../consent/consent-words.ts';

interface PlaceFlags {
  readonly data?: string;
  readonly keyFile?: string;
  readonly passphraseFile?: string;
}

interface ServeFlags extends PlaceFlags {
  readonly host: string;
  readonly port: number;
  readonly chainId?: number;
  readonly publicUrl?: string;
  readonly fund: readonly string[];
}

interface ChainFlags extends PlaceFlags {
  readonly chain?: readonly string[];
  readonly chainId?: number;
  readonly symbol: string;
  readonly decimals: number;
  readonly out?: string;
  readonly json?: boolean;
}

/** `pulsemesh ledger`: run one, put the contract on one, look at it, verify it. */
export function addLedger(program: Command, output: Output, setExitCode: (code: number) => void): void {
  const ledger = program
    .command('ledger')
    .summary('the ledger that consents and compensations stand on: run, deploy, look, verify')
    .addHelpText(
      'after',
      `
Three ways, one line of configuration each (docs/operations/ledger.md):
  a chain of one node    $ pulsemesh ledger serve --data /srv/pulsemesh/ledger
                         others take the ledger.json it writes; one sealer: a signed log with rules
  any EVM network        $ pulsemesh ledger deploy --chain https://validator.example:8545 --chain-id 1337 --out ledger.json
  none at all            "ledger": {"kind": "board"} in the node's configuration: grants on the public board, no payment

Setting up:
  $ pulsemesh ledger account --data /srv/pulsemesh/custodian   for the settings of those who use this custodian

Looking:
  $ pulsemesh ledger status           what the node's ledger is worth, in words
  $ pulsemesh ledger events           what it says publicly
  $ pulsemesh ledger verify           execute a chain of one node again and compare every block`,
    );
  addServe(ledger, output, setExitCode);
  addDeploy(ledger, output, setExitCode);
  addAccount(ledger, output);
  addFund(ledger, output);
  addLooking(ledger, output);
  addVerify(ledger, output, setExitCode);
}

function withPlace(command: Command): Command {
  return command
    .option('--data <directory>', 'where the ledger node keeps its key and its chain')
    .option('--key-file <file>', 'the key that protects its identity (default: in the data directory)')
    .option('--passphrase-file <file>', 'a passphrase instead of the key file');
}

function addServe(ledger: Command, output: Output, setExitCode: (code: number) => void): void {
  withPlace(ledger.command('serve'))
    .summary('run a chain with one sealer and the consent contract, until Ctrl-C')
    .description('The first line on standard output is JSON: {"ledger": {…}, "file": …}. Others are given the file.')
    .option('--port <port>', 'where JSON-RPC listens; 0 takes a free one', parsePort, 8545)
    .option('--host <address>', '0.0.0.0 for all: whoever reaches it may send', '127.0.0.1')
    .option(
      '--chain-id <number>',
      "one that no other network has; fixed at the first start (default: made of the node's key)",
      parseChainId,
    )
    .option('--public-url <url>', 'under which others reach it, where that is not the address it listens on')
    .option('--fund <list>', 'accounts that hold units at the beginning: 0x…=1000,0x…=5', parseList, [])
    .action(async (flags: ServeFlags) => {
      const { runLedger } = await import('@pulsemesh/node/process');
      const onListening = (started: { readonly description: object; readonly file: string }) =>
        output.out(JSON.stringify({ ledger: started.description, file: started.file }));
      setExitCode(await runLedger({ config: serveSettings(flags), onListening }));
    });
}

/** What the flags say, in the shape of a node's configuration. @throws {UsageError}. */
export function serveSettings(flags: ServeFlags): Omit<NodeConfigInput, 'roles'> {
  const genesis = flags.fund.map((grant) => {
    const [account = '', units = ''] = grant.split('=');
    if (!/^0x[0-9a-f]{40}$/.test(account) || !/^\d+$/.test(units))
      throw new UsageError('--fund takes accounts with units, as 0x…=1000');
    return { account: account as `0x${string}`, units }; // as just checked
  });
  const { host, port, chainId, publicUrl } = flags;
  const url = publicUrl === undefined ? {} : { url: publicUrl };
  return {
    ...placeOf(flags),
    chain: { host, port, ...(chainId === undefined ? {} : { chainId }), genesis, decimals: 0, ...url },
  };
}

function addDeploy(ledger: Command, output: Output, setExitCode: (code: number) => void): void {
  withPlace(ledger.command('deploy'))
    .summary('put the consent contract on a network that is there already')
    .requiredOption('--chain <urls>', 'JSON-RPC addresses, best first, with commas between', parseList)
    .requiredOption('--chain-id <number>', 'which network that is', parseChainId)
    .option('--symbol <text>', 'what its coin is called', 'ETH')
    .option('--decimals <count>', 'of its coin', parseDecimals, 18)
    .option('--out <file>', 'a new file for the description that others are given; default standard output')
    .addHelpText(
      'after',
      `
It costs gas, three contracts of it: fund the account first that \`pulsemesh ledger account\` names.
  $ pulsemesh ledger deploy --chain https://validator.example:8545 --chain-id 1337 --data /srv/pulsemesh/ledger --out ledger.json`,
    )
    .action(async (flags: ChainFlags) => {
      const place = flags.out === undefined ? null : newFile(flags.out);
      const { deployLedger } = await import('@pulsemesh/node/process');
      const description = await deployLedger({
        config: placeOf(flags),
        urls: flags.chain ?? [],
        chainId: flags.chainId ?? 0,
        symbol: flags.symbol,
        decimals: flags.decimals,
      });
      if (!giveDescription(JSON.stringify(description, null, 2), place, output)) setExitCode(exitCodes.failed);
    });
}

/** A place where a file can be written and none is: looked at before anything is paid for. @throws {UsageError}. */
function newFile(file: string): string {
  const place = resolve(file);
  if (existsSync(place)) throw new UsageError(`there is something at ${place} already: choose another file with --out`);
  try {
    accessSync(dirname(place), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(`nothing can be written to ${dirname(place)} (${errorCode(error)}): nothing was sent`);
  }
  return place;
}

/** Writes what was paid for to its file, or, where there is none or it fails, to standard output: it is not lost. @returns whether it went where it should. */
export function giveDescription(text: string, place: string | null, output: Output): boolean {
  if (place === null) {
    output.out(text);
    return true;
  }
  try {
    writeFileSync(place, `${text}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    output.err(
      `pulsemesh: ${place} was not written (${errorCode(error)}); the contract is deployed: keep what follows.`,
    );
    output.out(text);
    return false;
  }
}

function addAccount(ledger: Command, output: Output): void {
  withPlace(ledger.command('account'))
    .summary(
      "what others put into their settings of a node: peer id, account, key of its access log (--data: the node's)",
    )
    .action(async (flags: PlaceFlags) => {
      const { ledgerFacts } = await import('@pulsemesh/node/process');
      const place = placeOf(flags);
      const wasThere = existsSync(`${place.dataDirectory}/identity.json`);
      output.out(JSON.stringify(await ledgerFacts(place), null, 2));
      if (!wasThere) output.err(`pulsemesh: nobody was in ${place.dataDirectory} yet: these are of a new identity.`);
    });
}

function addFund(ledger: Command, output: Output): void {
  withPlace(ledger.command('fund <account> <units>'))
    .summary("send units from the treasury (the ledger node's own account) to an account")
    .requiredOption('--chain <url>', 'JSON-RPC address of the chain', parseList)
    .requiredOption('--chain-id <number>', 'which network that is', parseChainId)
    .action(async (account: string, units: string, flags: ChainFlags) => {
      if (!/^[1-9]\d{0,28}$/.test(units)) throw new UsageError('units are wanted in digits, 1 or more');
      if (!/^0x[0-9a-fA-F]{40}$/.test(account)) throw new UsageError('an account is 0x and 40 hex digits');
      const { fundAccount } = await import('@pulsemesh/node/process');
      const [url = '', ...others] = flags.chain ?? [];
      if (others.length > 0) throw new UsageError('one address only: a payment tried at a second may be made twice');
      const to = account as `0x${string}`; // as just checked
      const gift = { url, chainId: flags.chainId ?? 0, to, units: BigInt(units) };
      output.out(await fundAccount(placeOf(flags), gift));
    });
}

function addLooking(ledger: Command, output: Output): void {
  withGatewayFlags(ledger.command('status'))
    .summary('which ledger a node follows and what that is worth')
    .option('--json', 'as JSON')
    .action(async (flags: GatewayFlags & { readonly json?: boolean }) => {
      const { ledger: view } = await new ConsentClient(connectGateway(flags)).profile();
      if (flags.json) return output.out(JSON.stringify(view, null, 2));
      for (const line of ledgerLines(view)) output.out(line);
    });
  withGatewayFlags(ledger.command('events'))
    .summary('the newest thousand public events of the ledger, oldest first')
    .option('--json', 'as JSON')
    .action(async (flags: GatewayFlags & { readonly json?: boolean }) => {
      const { events } = await new ConsentClient(connectGateway(flags)).audit();
      if (flags.json) return output.out(JSON.stringify(events, null, 2));
      for (const line of eventLines(events)) output.out(line);
    });
}

function addVerify(ledger: Command, output: Output, setExitCode: (code: number) => void): void {
  ledger
    .command('verify')
    .summary('execute a chain of one node again from its beginning and compare every hash and seal')
    .option('--data <directory>', "data directory of the ledger node (default: the demo's); it may be running")
    .option('--chain <url>', 'JSON-RPC address of one that somebody else runs, instead of --data', parseHttpUrl)
    .option('--sealer <key>', 'the public key that must have sealed it, hex')
    .option('--genesis <hash>', 'of its first block, as it was once')
    .option('--block <number:hash>', 'a block that was seen once and must still be there', parseSeenBlock)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Whoever has the sealer's key can put an older copy back, or write the whole chain anew, and both are sound by themselves.
Only --block tells: keep, elsewhere, the one that this prints.
  $ pulsemesh ledger verify --data /srv/pulsemesh/ledger --block 1234:0x…
Of a directory it is also looked at that nothing beside the chain is kept, which --chain cannot see.`,
    )
    .action(async (flags: VerifyFlags) => {
      const { fetchChainAt, verifyEmbeddedChain } = await import('@pulsemesh/ledger/embedded');
      const { chain } = flags;
      const source =
        chain === undefined ? chainDirectory(flags) : await fetchChainAt(chain, { clock: createSystemClock() });
      const verdict = await verifyEmbeddedChain(source, expectedBy(flags));
      if (flags.json) output.out(JSON.stringify(verdict, null, 2));
      else for (const line of verdictLines(verdict)) output.out(line);
      if (verdict.fault !== null) setExitCode(exitCodes.failed);
    });
}

interface VerifyFlags {
  readonly data?: string;
  readonly chain?: string;
  readonly sealer?: string;
  readonly genesis?: string;
  readonly block?: { readonly number: number; readonly hash: `0x${string}` };
  readonly json?: boolean;
}

/** @throws {UsageError} where there is none. */
function chainDirectory({ data }: VerifyFlags): { readonly directory: string } {
  const place = resolve(data ?? `${dataDirectory()}/nodes/ledger`);
  if (!existsSync(`${place}/chain`)) throw new UsageError(`no chain lies in ${place}: say with --data where it is`);
  return { directory: `${place}/chain` };
}

function expectedBy({ sealer, genesis, block }: VerifyFlags): ExpectedChain {
  return {
    ...(sealer === undefined ? {} : { sealer: sealer.toLowerCase().replace(/^0x/, '') }),
    ...(genesis === undefined ? {} : { genesisHash: hexOf(genesis.toLowerCase()) }),
    ...(block === undefined ? {} : { block }),
  };
}

/** What a verification found, as text. */
export function verdictLines({ fault, blocks, transactions, sealer, headHash }: ChainVerdict): readonly string[] {
  if (fault !== null)
    return [`NOT SOUND (${fault.kind}) at block ${fault.block ?? '?'}; ${blocks} blocks before it are.`];
  return [
    `Sound: ${blocks} blocks, ${transactions} transactions, head ${headHash}.`,
    `Sealed by ${sealer}. To find out later whether it was put back or written anew: --block ${blocks - 1}:${headHash}`,
  ];
}

function placeOf({ data, keyFile, passphraseFile }: PlaceFlags): Omit<NodeConfigInput, 'roles'> {
  return {
    name: 'ledger',
    dataDirectory: resolve(data ?? `${dataDirectory()}/nodes/ledger`),
    ...(keyFile === undefined ? {} : { keyFile: resolve(keyFile) }),
    ...(passphraseFile === undefined ? {} : { passphraseFile: resolve(passphraseFile) }),
    log: { level: 'warn' },
    chain: {},
  };
}

/** A ledger as text. */
export function ledgerLines(view: LedgerView | null): readonly string[] {
  if (view === null) return ['This node follows no ledger, or waits for it to be there.'];
  return [
    view.words,
    '',
    ...table([
      ['state', view.state],
      ['kind', view.kind],
      ['chain', String(view.chainId)],
      ['contract', view.contract ?? 'none'],
      ['head', `${view.head} (final ${view.finalized}, ${Math.round(view.headAgeMs / 1000)} s old)`],
      ['sealers', view.sealers.join(', ') || 'not said'],
    ]),
  ];
}

/** Events as text, oldest first. */
export function eventLines(events: AuditView['events']): readonly string[] {
  if (events.length === 0) return ['Nothing has happened on the ledger yet.'];
  return table([
    ['when', 'what', 'about', 'block'],
    ...events
      .toReversed()
      .map(({ timeMs, kind, grantId, root, at, status }) => [
        dayText(timeMs),
        status === null ? kind : `${kind} (${status})`,
        grantId ?? root ?? '',
        at,
      ]),
  ]);
}
