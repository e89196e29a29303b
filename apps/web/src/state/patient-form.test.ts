import { describe, expect, it } from 'vitest';
import { patientOf } from '../testing.ts';
import { checkDraft, draftOf, emptyDraft } from './patient-form.ts';

describe('a registration', () => {
  const good = { ...emptyDraft, userId: ' QmX ', name: ' Amina ', email: ' a@example.org ' };

  it('is trimmed and taken', () => {
    expect(checkDraft(good)).toEqual({
      kind: 'valid',
      input: {
        userId: 'QmX',
        name: 'Amina',
        email: 'a@example.org',
        language: 'en',
        doctor: null,
        tells: { patient: true, doctor: false },
        device: { kind: 'live' },
      },
    });
  });

  it('of a known patient comes back as it was', () => {
    const { subject: _s, isRegistered: _r, lastReadingMs: _l, lastArrivalMs: _a, ...input } = patientOf();
    expect(checkDraft(draftOf(patientOf()))).toEqual({ kind: 'valid', input });
  });

  it.each([
    ['no user id', { userId: ' ' }, ['userId']],
    ['a user id too long', { userId: 'x'.repeat(129) }, ['userId']],
    ['a user id with a space', { userId: 'a b' }, ['userId']],
    ['no name', { name: '' }, ['name']],
    ['a name too long', { name: 'x'.repeat(121) }, ['name']],
    ['an address without @', { email: 'amina' }, ['email']],
    ['an address that smuggles a header', { email: 'a@example.org\nBcc: b@example.org' }, ['email']],
    ['a doctor without name and address', { hasDoctor: true }, ['doctorName', 'doctorEmail']],
  ])('is refused with %s', (_what, change, fields) => {
    const checked = checkDraft({ ...good, ...change });
    expect(checked.kind === 'invalid' && Object.keys(checked.errors)).toEqual(fields);
  });
});
