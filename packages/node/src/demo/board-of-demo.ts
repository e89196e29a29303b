import { formatPolicyFile } from '@pulsemesh/board/client';
import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { ed25519KeyOf, parsePeerId } from '@pulsemesh/wire';
import { originOf, witnessNameOf } from '../board/names.ts';
import { type Installation, servicePorts } from './installation.ts';
import { witnessMembers } from './layout.ts';

/** Where the demo's board is. */
export function boardUrl({ ports }: Installation): string {
  return `https://127.0.0.1:${ports[servicePorts.board] ?? 0}/board`;
}

/** The board's verifier key. */
export function boardKey(installation: Installation): string {
  return formatVerifierKey(boardVerifier(installation));
}

/** The verifier keys of the board's witnesses. */
export function witnessKeys({ peerIds }: Installation): readonly string[] {
  return witnessMembers.map((name) => formatVerifierKey(witnessVerifier(peerIds[name] ?? '')));
}

/** What the demo's people are told of the board: its key, its witnesses, and that two of the three must agree. */
export function boardPolicy(installation: Installation): string {
  const policy = {
    board: boardVerifier(installation),
    witnesses: witnessMembers.map((name) => witnessVerifier(installation.peerIds[name] ?? '')),
    quorum: 2,
  };
  return formatPolicyFile({ url: boardUrl(installation), policy, authorities: [] });
}

function boardVerifier({ peerIds }: Installation) {
  const peer = parsePeerId(peerIds['board'] ?? '');
  return createNoteVerifier(originOf(peer, undefined), keyOf(peer), 'ed25519');
}

function witnessVerifier(peerId: string) {
  const peer = parsePeerId(peerId);
  return createNoteVerifier(witnessNameOf(peer, undefined), keyOf(peer), 'cosignature/v1');
}

function keyOf(peer: ReturnType<typeof parsePeerId>): Uint8Array {
  const key = ed25519KeyOf(peer);
  if (key === null) throw new TypeError('the demo makes Ed25519 keys'); // openInstallation does
  return key;
}
