import type { PatientInput, PatientView } from '@pulsemesh/node/api';

type Language = PatientInput['language'];

/** A registration as it is being typed. */
export interface PatientDraft {
  readonly userId: string;
  readonly name: string;
  readonly email: string;
  readonly language: Language;
  readonly hasDoctor: boolean;
  readonly doctorName: string;
  readonly doctorEmail: string;
  readonly doctorLanguage: Language;
  readonly tellsPatient: boolean;
  readonly tellsDoctor: boolean;
  readonly deviceKind: 'live' | 'replay';
}

export type DraftErrors = Partial<Record<keyof PatientDraft, string>>;

export type CheckedDraft =
  | { readonly kind: 'valid'; readonly input: PatientInput }
  | { readonly kind: 'invalid'; readonly errors: DraftErrors };

export const userIdCharsMax = 128;
export const nameCharsMax = 120;
export const emailCharsMax = 254;

export const emptyDraft: PatientDraft = {
  userId: '',
  name: '',
  email: '',
  language: 'en',
  hasDoctor: false,
  doctorName: '',
  doctorEmail: '',
  doctorLanguage: 'en',
  tellsPatient: true,
  tellsDoctor: false,
  deviceKind: 'live',
};

/** What is known of a patient, ready to be changed. */
export function draftOf(patient: PatientView): PatientDraft {
  return {
    userId: patient.userId,
    name: patient.name ?? '',
    email: patient.email ?? '',
    language: patient.language ?? 'en',
    hasDoctor: patient.doctor !== null,
    doctorName: patient.doctor?.name ?? '',
    doctorEmail: patient.doctor?.email ?? '',
    doctorLanguage: patient.doctor?.language ?? 'en',
    // An unregistered device tells nobody; the usual wish is a starting point.
    tellsPatient: patient.isRegistered ? patient.tells.patient : true,
    tellsDoctor: patient.tells.doctor,
    deviceKind: patient.device.kind,
  };
}

/** Checks what was typed; the errors are sentences that say what to do. */
export function checkDraft(draft: PatientDraft): CheckedDraft {
  const errors: DraftErrors = {};
  const userId = draft.userId.trim();
  if (userId === '') errors.userId = 'Enter the id that the wearable sends.';
  else if (userId.length > userIdCharsMax || !/^[\x21-\x7e]+$/.test(userId)) {
    errors.userId = `Use 1 to ${userIdCharsMax} printable characters without spaces.`;
  }
  const name = draft.name.trim();
  const email = draft.email.trim();
  checkName(name, 'name', errors);
  checkEmail(email, 'email', errors);
  const doctorName = draft.doctorName.trim();
  const doctorEmail = draft.doctorEmail.trim();
  if (draft.hasDoctor) {
    checkName(doctorName, 'doctorName', errors);
    checkEmail(doctorEmail, 'doctorEmail', errors);
  }
  if (Object.keys(errors).length > 0) return { kind: 'invalid', errors };
  return {
    kind: 'valid',
    input: {
      userId,
      name,
      email,
      language: draft.language,
      doctor: draft.hasDoctor ? { name: doctorName, email: doctorEmail, language: draft.doctorLanguage } : null,
      tells: { patient: draft.tellsPatient, doctor: draft.hasDoctor && draft.tellsDoctor },
      device: { kind: draft.deviceKind },
    },
  };
}

function checkName(name: string, field: 'name' | 'doctorName', errors: DraftErrors): void {
  if (name === '') errors[field] = 'Enter a name.';
  else if (name.length > nameCharsMax) errors[field] = `Use at most ${nameCharsMax} characters.`;
}

function checkEmail(email: string, field: 'email' | 'doctorEmail', errors: DraftErrors): void {
  if (email === '') errors[field] = 'Enter an e-mail address.';
  else if (email.length > emailCharsMax || !/^[^\s@<>()[\],;:\\"]+@[^\s@<>()[\],;:\\"]+$/.test(email)) {
    errors[field] = 'Enter an address like name@example.org.';
  }
}
