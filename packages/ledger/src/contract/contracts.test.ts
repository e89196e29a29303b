import { type Abi, keccak256 } from 'viem';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CompiledContract, compileContracts } from '../../contracts/compile.ts';
import { type ForgeResult, runForge } from '../../contracts/forge.ts';
import {
  consentLedgerAbi,
  consentLedgerCodeHash,
  consentLedgerCreationCode,
  consentLedgerImmutables,
} from './consent-ledger.ts';
import {
  p256VerifierCodeHash,
  p256VerifierCreationCode,
  webAuthnVerifierCodeHash,
  webAuthnVerifierCreationCode,
} from './verifiers.ts';

/** EIP-170: a chain takes no larger contract. */
const codeBytesMax = 24_576;

describe('what is committed of the contracts', () => {
  let compiled: ReadonlyMap<string, CompiledContract>;
  beforeAll(() => {
    compiled = compileContracts(['src/ConsentLedger.sol', 'src/Verifiers.sol']);
  }, 240_000);

  function compiledOf(name: string): CompiledContract {
    const found = compiled.get(name);
    if (found === undefined) throw new Error(`${name} was not compiled`);
    return found;
  }

  it('is what the sources compile to (else: node packages/ledger/contracts/build.ts)', () => {
    const ledger = compiledOf('ConsentLedger');
    expect(consentLedgerCreationCode === ledger.creationCode).toBe(true);
    expect(consentLedgerAbi).toEqual(withoutInternalTypes(ledger.abi));
    expect(consentLedgerCodeHash).toBe(keccak256(ledger.runtimeCode));
    expect(consentLedgerImmutables).toEqual(ledger.immutableOffsets);
    const [p256, webAuthn] = [compiledOf('ERC7913P256Verifier'), compiledOf('ERC7913WebAuthnVerifier')];
    expect(p256VerifierCreationCode === p256.creationCode).toBe(true);
    expect(p256VerifierCodeHash).toBe(keccak256(p256.runtimeCode));
    expect(webAuthnVerifierCreationCode === webAuthn.creationCode).toBe(true);
    expect(webAuthnVerifierCodeHash).toBe(keccak256(webAuthn.runtimeCode));
  });

  it('stores one word a grant and one a credit, and nothing else', () => {
    // The first two hold a name and a version longer than 31 bytes: never, here.
    expect(compiledOf('ConsentLedger').storage).toEqual(['_nameFallback', '_versionFallback', 'word', 'credit']);
  });

  it('fits on a chain', () => {
    expect((compiledOf('ConsentLedger').runtimeCode.length - 2) / 2).toBeLessThanOrEqual(codeBytesMax);
  });
});

describe('forge', () => {
  let results: readonly ForgeResult[];
  beforeAll(async () => {
    const shipped = {
      PULSEMESH_CONSENT_LEDGER: consentLedgerCreationCode,
      PULSEMESH_P256_VERIFIER: p256VerifierCreationCode,
      PULSEMESH_WEBAUTHN_VERIFIER: webAuthnVerifierCreationCode,
    };
    results = await runForge(shipped, process.env['PULSEMESH_TABLES'] === 'full' ? 'full' : 'default');
  }, 600_000);

  it('finds nothing wrong with the contracts that are shipped', () => {
    expect(results.filter((result) => !result.isPassed)).toEqual([]);
  });

  it('ran what there is: steps, signers, threats, fuzzing and invariants', () => {
    const suites = new Map<string, number>();
    for (const { suite } of results) suites.set(suite, (suites.get(suite) ?? 0) + 1);
    for (const name of ['FlowTest', 'SignersTest', 'ThreatsTest', 'FuzzTest', 'InvariantsTest']) {
      const found = [...suites].find(([suite]) => suite.endsWith(`:${name}`));
      expect(found?.[1], name).toBeGreaterThan(1);
    }
    expect(results.length).toBeGreaterThanOrEqual(90);
  });
});

function withoutInternalTypes(abi: Abi): unknown {
  return JSON.parse(JSON.stringify(abi, (key, value) => (key === 'internalType' ? undefined : value)));
}
