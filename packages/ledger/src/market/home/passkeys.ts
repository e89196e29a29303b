import { isP256PublicKey, sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { verifyAssertion } from '../../offer/assertion.ts';
import { PasskeyRefusedError } from '../../offer/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import type { NewPasskey } from '../offices.ts';
import type { AssertionView } from '../views.ts';
import type { HomeHouse } from './home-means.ts';
import { nobody, type PasskeyRow } from './home-rows.ts';

/**
 * Keeps a patient's passkey. The first one needs nobody's leave; a later one the one before it, over SHA-256 of the new public key.
 * @throws {PasskeyRefusedError}.
 */
export async function enrolPasskey(house: HomeHouse, subject: string, passkey: NewPasskey): Promise<void> {
  const { desk, clock } = house;
  checkNew(passkey);
  await desk.transact((change) => {
    const row = change.get('patient', subject) ?? nobody;
    const before = row.passkey;
    if (before !== null) {
      if (before.credentialId === passkey.credentialId && toHex(before.publicKey) === toHex(passkey.publicKey)) return;
      if (passkey.approval === null) throw new PasskeyRefusedError('credential');
      checkAssertion(house, before, passkey.approval, `0x${toHex(sha256(passkey.publicKey))}`);
    }
    const { credentialId, publicKey } = passkey;
    const enrolled: PasskeyRow = { credentialId, publicKey, enrolledMs: clock.now(), counter: 0 };
    change.put('patient', subject, { ...row, passkey: enrolled });
  });
}

/** The passkey as it is after this answer. @throws {PasskeyRefusedError}. */
export function checkAssertion(
  house: HomeHouse,
  passkey: PasskeyRow,
  assertion: AssertionView,
  challenge: Hex,
): PasskeyRow {
  const { counter } = verifyAssertion(assertion, passkey, { challenge, ...house.means.passkeys });
  return { ...passkey, counter };
}

const credentialIdCharactersMax = 1_400;

function checkNew({ credentialId, publicKey }: NewPasskey): void {
  const isId = credentialId.length <= credentialIdCharactersMax && /^[A-Za-z0-9_-]+$/.test(credentialId);
  if (!isId || !isP256PublicKey(publicKey)) throw new PasskeyRefusedError('malformed');
}
