import { existsSync, readFileSync } from 'node:fs';
import { Condition, errorMessage } from '@pulsemesh/base';
import type { Hex } from '../api/types.ts';
import {
  type ConsentSettings,
  type LedgerDescription,
  type LedgerSettings,
  ledgerDescriptionSchema,
} from '../config/consent-settings.ts';
import type { NodeContext } from '../process/node-context.ts';
import { ledgerAccountOf, ledgerKeyOf } from './ledger-account.ts';
import type { NodeLedger } from './node-ledger.ts';
import type { OfficeAgent } from './office-agent.ts';

type ChainSettings = Extract<LedgerSettings, { readonly kind: 'chain' }>;

const descriptionBytesMax = 64 * 1024;
const noAccount: Hex = `0x${'0'.repeat(40)}`;

/** The file that describes the ledger is not there, or not one. Retryable: whoever runs the ledger writes it at its first start. */
export class NoLedgerDescriptionError extends Condition {
  override readonly name = 'NoLedgerDescriptionError';
  constructor(file: string, why: string) {
    super('ledger-description', `the ledger's description cannot be used: ${why}`, {
      facts: { file },
      retryable: true,
    });
  }
}

/** Connects a node to the ledger of its settings, with its own account. @throws {NoLedgerDescriptionError}; {LedgerWrongError}. */
export function openNodeLedger(
  context: NodeContext,
  { ledger }: Pick<ConsentSettings, 'ledger'>,
  agent: OfficeAgent,
): Promise<NodeLedger> {
  return ledger.kind === 'board' ? openBoardLedger(context, agent) : openChainLedger(context, ledger, agent);
}

/** A description from its file. @throws {NoLedgerDescriptionError}. */
export function readLedgerDescription(file: string): LedgerDescription {
  if (!existsSync(file)) throw new NoLedgerDescriptionError(file, 'there is no such file yet');
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > descriptionBytesMax) throw new RangeError('it is too long');
    return ledgerDescriptionSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new NoLedgerDescriptionError(file, errorMessage(error));
  }
}

async function openChainLedger(
  { identity, deps }: NodeContext,
  settings: ChainSettings,
  { store }: OfficeAgent,
): Promise<NodeLedger> {
  const description = settings.description ?? readLedgerDescription(settings.descriptionFile ?? '');
  const { connectChain, createLocalSigner, createRpcGate, domainOf } = await import('@pulsemesh/ledger');
  const urls = settings.urls ?? description.urls;
  const { chainId, contract, codeHash, verifiers, isEmbedded, symbol, decimals, fromBlock } = description;
  const signer = createLocalSigner(ledgerKeyOf(identity));
  const headAgeMsMax = settings.headAgeSecondsMax * 1000;
  const ledger = await connectChain(
    {
      ...{ urls, chainId, contract, codeHash, signer, headAgeMsMax },
      kind: isEmbedded ? 'embedded' : 'rpc',
      finality: finalityOf(settings.finality),
      fromBlock: BigInt(fromBlock),
      feePerGasMax: settings.feePerGasMax === undefined ? null : BigInt(settings.feePerGasMax),
      spendingLimits: [
        {
          token: noAccount,
          perDay: BigInt(settings.spending.perDay),
          total: BigInt(settings.spending.inTotal),
        },
      ],
    },
    { ...deps, store },
  );
  const readable = [verifiers.p256, verifiers.webAuthn];
  const gate = createRpcGate({ urls, chainId, contract, readable }, deps);
  return {
    ledger,
    domain: domainOf(chainId, contract),
    verifiers,
    account: signer.address.toLowerCase() as Hex, // as it prints
    kind: isEmbedded ? 'embedded' : 'rpc',
    ...{ symbol, decimals, headAgeMsMax },
    leftToSpend: () => ledger.spendingLeft(noAccount)?.today ?? null,
    rpc: (body) => gate.handle(body),
    [Symbol.asyncDispose]: () => ledger[Symbol.asyncDispose](),
  };
}

function finalityOf(finality: ChainSettings['finality']) {
  if (typeof finality === 'number') return { kind: 'depth', blocks: finality } as const;
  return { kind: finality } as const;
}

async function openBoardLedger({ identity, deps }: NodeContext, { board }: OfficeAgent): Promise<NodeLedger> {
  const { accountSigner, bulletinDomain, openBulletinLedger } = await import('@pulsemesh/ledger');
  const account = await ledgerAccountOf(identity);
  const buyer = accountSigner({ privateKey: ledgerKeyOf(identity), signer: account });
  const ledger = openBulletinLedger({ board, author: identity, buyer }, deps);
  return {
    ledger,
    domain: bulletinDomain,
    verifiers: { p256: null, webAuthn: null },
    account,
    kind: 'board',
    symbol: 'units',
    decimals: 0,
    headAgeMsMax: Number.POSITIVE_INFINITY,
    leftToSpend: () => null,
    rpc: null,
    [Symbol.asyncDispose]: () => ledger[Symbol.asyncDispose](),
  };
}
