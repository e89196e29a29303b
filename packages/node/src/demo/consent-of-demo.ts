import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { ed25519KeyOf, parsePeerId } from '@pulsemesh/wire';
import type { NodeConfigInput } from '../config/node-config.ts';
import { accessLogOrigin } from '../consent/ledger-account.ts';
import { type Installation, servicePorts } from './installation.ts';
import { custodianMembers, type demoPaths, officeMembers } from './layout.ts';

type Paths = ReturnType<typeof demoPaths>;
type ConsentInput = NonNullable<NodeConfigInput['consent']>;

/** Whole units that the research office begins with, and may spend in all. */
const fundsUnits = '1000000';
/** So that the demo's one catalogue is not empty: two of its patients may be asked. */
const countMin = 2;
/** The demo's own chain; no public one has it. */
const chainId = 7_357_001;

/** What the demo's node of that name has to do with consent; null: nothing. */
export function consentOf(
  name: string,
  installation: Installation,
  paths: Paths,
  pageUrl: string,
): ConsentInput | null {
  const { peerIds, accounts } = installation;
  if (!officeMembers.some((office) => office === name)) return null;
  const isCustodian = custodianMembers.some((custodian) => custodian === name);
  return {
    organisation: organisations[name] ?? name,
    boardFile: paths.boardPolicy,
    boardCaFile: paths.certificate('board', 'ca'),
    ledger: {
      kind: 'chain',
      descriptionFile: paths.ledgerDescription,
      finality: 'finalized',
      ...(name === 'research' ? { spending: { perDay: fundsUnits, inTotal: fundsUnits } } : {}),
    },
    custodians: custodianMembers.map((custodian) => {
      const peer = peerIds[custodian] ?? '';
      return { peer, account: accounts[custodian] ?? '0x', logKey: logKeyOf(peer) };
    }),
    ...(name === 'gateway'
      ? {
          home: {
            countMin,
            // Its patients are nobody: it may be counted often.
            catalogueEverySeconds: 30,
            arbiter: accounts['ledger'] ?? '0x',
            passkeys: { origins: [pageUrl], rpId: 'localhost' },
          },
        }
      : {}),
    // The demo anchors soon, so that somebody who looks sees it.
    ...(isCustodian ? { custodian: { homes: [peerIds['gateway'] ?? ''], anchorEverySeconds: 15 } } : {}),
    ...(name === 'research' ? { research: { hasSigner: true, notify: { email: 'research@pulsemesh.example' } } } : {}),
  };
}

/** The chain that the demo's ledger node runs. */
export function chainOfDemo({ ports, accounts }: Installation): NonNullable<NodeConfigInput['chain']> {
  return {
    port: ports[servicePorts.chain] ?? 0,
    chainId,
    genesis: [{ account: accounts['research'] ?? '0x', units: fundsUnits }],
    decimals: 0,
  };
}

const organisations: Readonly<Record<string, string>> = {
  gateway: 'Pulsemesh demo home',
  'storage-1': 'Demo custodian 1',
  'storage-2': 'Demo custodian 2',
  research: 'Institute of Demo Rhythms',
};

function logKeyOf(peerId: string): string {
  const peer = parsePeerId(peerId);
  const key = ed25519KeyOf(peer);
  if (key === null) throw new TypeError('the demo makes Ed25519 keys'); // openInstallation does
  return formatVerifierKey(createNoteVerifier(accessLogOrigin(peer), key, 'ed25519'));
}
