import type { Clock, Random } from '@pulsemesh/base';
import { generateSeed } from '@pulsemesh/crypto';
import { IdentityChangedError, IdentityMissingError } from './errors.ts';
import { secondsOf } from './fields.ts';
import { replaceSmallFile } from './files.ts';
import { type Identity, type IdentitySecrets, identityOfSecrets } from './identity.ts';
import { encodeIdentityFile, identityLimits, parseIdentityFile } from './identity-file.ts';
import { openStored, type StoredIdentity } from './load-or-create.ts';
import { createSealer, type IdentityOptions, type Sealer } from './protection.ts';
import { laterSealingSecret, type SealingSecret } from './sealing.ts';
import { signSuccession } from './succession.ts';

interface Dependencies {
  readonly clock: Clock;
  /** The system's. */
  readonly random: Random;
}

const dayMs = 86_400_000;

/** How long sealing keys live. */
export const sealingLimits = {
  /** A key in use is replaced after this. */
  useMs: 30 * dayMs,
  /** A retired key still opens for this long: the life of a card that shows it, and of a message sealed to it on its last day. */
  retiredMs: 70 * dayMs,
} as const;

/** How {@link rotateSealing} goes about it. */
export interface RotateOptions {
  /** True: retired keys are forgotten at once, the one in use too: somebody else may have them. What is under way is lost. */
  readonly forgetsOld?: boolean;
}

/**
 * Takes a new sealing key into use and retires the old one; forgets those that were retired {@link sealingLimits}.retiredMs ago. The
 * identity and its address stay. On disk when it resolves. Make a new card then.
 * @throws {IdentityMissingError} · {@link IdentityChangedError} (retryable); as `loadOrCreateIdentity`.
 */
export function rotateSealing(
  options: IdentityOptions,
  dependencies: Dependencies,
  how: RotateOptions = {},
): Promise<Identity> {
  return changeIdentity(options, (secrets) => rotated(secrets, dependencies, how.forgetsOld === true), dependencies);
}

/**
 * What a node does at its start and once a day: rotates the sealing key once it is {@link sealingLimits}.useMs old, forgets what
 * is due. Resolves with the identity as it is then.
 * @throws as {@link rotateSealing}.
 */
export async function refreshSealing(options: IdentityOptions, dependencies: Dependencies): Promise<Identity> {
  const stored = await openStored(options, dependencies);
  if (stored === null) throw new IdentityMissingError(options.file);
  const nowMs = dependencies.clock.now();
  const { sealing } = stored.secrets;
  if (nowMs - (sealing[0]?.fromMs ?? 0) >= sealingLimits.useMs) return rotateSealing(options, dependencies);
  if (remembered(sealing, nowMs).length === sealing.length) return identityOfSecrets(stored.secrets);
  const forget = (secrets: IdentitySecrets) => ({ ...secrets, sealing: remembered(secrets.sealing, nowMs) });
  return changeIdentity(options, forget, dependencies);
}

/**
 * A new identity in the place of the old one, with a statement signed by both that says so (`Identity.successions`, last). The old key
 * is gone when it resolves; what was sealed to the old identity still opens for a while, and the node's disk stays readable.
 * @throws as {@link rotateSealing}.
 */
export function succeedIdentity(
  options: IdentityOptions,
  dependencies: Dependencies,
  how: RotateOptions = {},
): Promise<Identity> {
  return changeIdentity(options, (secrets) => succeeded(secrets, dependencies, how.forgetsOld === true), dependencies);
}

/**
 * Puts an identity under another key file, passphrase or keystore (`to.file` is `from.file`). A crash leaves it under the old one; once
 * this resolves the old one opens nothing.
 * @throws as {@link rotateSealing}.
 */
export async function protectIdentity(
  from: IdentityOptions,
  to: IdentityOptions,
  dependencies: Dependencies,
): Promise<Identity> {
  const sealer = await createSealer(to, dependencies);
  return changeIdentity(
    from,
    (secrets) => secrets,
    dependencies,
    () => sealer,
  );
}

const attemptsMax = 4;

async function changeIdentity(
  options: IdentityOptions,
  change: (secrets: IdentitySecrets) => IdentitySecrets,
  dependencies: Dependencies,
  sealerOf: (stored: StoredIdentity) => Sealer = (stored) => stored.sealer,
): Promise<Identity> {
  const generationOf = (content: Uint8Array) => parseIdentityFile(options.file, content).generation;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const stored = await openStored(options, dependencies);
    if (stored === null) throw new IdentityMissingError(options.file);
    const secrets = change(stored.secrets);
    const identity = identityOfSecrets(secrets);
    const { box, passphrase, keystore } = sealerOf(stored);
    const generation = stored.file.generation + 1;
    const content = encodeIdentityFile({ peer: identity.peerId, generation, passphrase, keystore }, secrets, box);
    const outcome = await replaceSmallFile(options.file, { generation, content }, generationOf, dependencies);
    if (outcome === 'replaced') return identity;
  }
  throw new IdentityChangedError(options.file);
}

/** The same secrets with a new sealing key in use. */
export function rotated(
  secrets: IdentitySecrets,
  { clock, random }: Dependencies,
  forgetsOld: boolean,
): IdentitySecrets {
  const nowMs = Math.floor(clock.now());
  const [inUse, ...retired] = secrets.sealing;
  const old = inUse === undefined ? [] : [{ ...inUse, retiredMs: nowMs }];
  const next = laterSealingSecret(secrets.seed, generateSeed(random), nextEpoch(secrets, nowMs));
  return { ...secrets, sealing: forgetsOld ? [next] : remembered([next, ...old, ...retired], nowMs) };
}

function succeeded(secrets: IdentitySecrets, dependencies: Dependencies, forgetsOld: boolean): IdentitySecrets {
  const old = identityOfSecrets(secrets);
  const seed = generateSeed(dependencies.random);
  const renewed = rotated({ ...secrets, seed, nodeBoxKey: old.nodeBoxKey }, dependencies, forgetsOld);
  const statement = signSuccession(old, identityOfSecrets(renewed), dependencies);
  return { ...renewed, successions: [...secrets.successions, statement].slice(-identityLimits.successionsMax) };
}

/** Greater than any before, also where words brought the identity back and the numbers given out are not known any more. */
function nextEpoch({ sealing }: IdentitySecrets, nowMs: number): { readonly epoch: number; readonly fromMs: number } {
  const last = Math.max(0, ...sealing.map((one) => one.epoch));
  return { epoch: Math.max(last + 1, secondsOf(nowMs)), fromMs: nowMs };
}

function remembered(sealing: readonly SealingSecret[], nowMs: number): readonly SealingSecret[] {
  const isKept = ({ retiredMs }: SealingSecret) => retiredMs === null || nowMs - retiredMs < sealingLimits.retiredMs;
  return sealing.filter(isKept).slice(0, identityLimits.sealingKeysMax);
}
