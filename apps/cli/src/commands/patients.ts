import type { ApiClient } from '@pulsemesh/node';
import type { PatientInput, PatientView } from '@pulsemesh/node/api';
import { type Command, Option } from 'commander';
import { connectGateway, type GatewayFlags, withGatewayFlags } from '../gateway-access.ts';
import { type Output, table, UsageError } from '../output.ts';

interface PatientFlags extends GatewayFlags {
  readonly json?: boolean;
  readonly userId?: string;
  readonly name?: string;
  readonly email?: string;
  readonly language?: PatientInput['language'];
  readonly doctorName?: string;
  readonly doctorEmail?: string;
  readonly doctorLanguage?: PatientInput['language'];
  readonly tell?: readonly string[];
  readonly device?: PatientInput['device']['kind'];
}

const languages = ['en', 'de', 'fr'];

/** `pulsemesh patients`: who is known, and who is told what. */
export function addPatients(program: Command, output: Output): void {
  const patients = program.command('patients').summary('list, add and edit patients and who is told');
  withGatewayFlags(patients.command('list'))
    .summary('patients and unregistered devices')
    .option('--json', 'as JSON')
    .action(async (flags: PatientFlags) => {
      const known = await connectGateway(flags).patients();
      if (flags.json) output.out(JSON.stringify(known, null, 2));
      else for (const line of patientLines(known)) output.out(line);
    });
  withPatientFlags(withGatewayFlags(patients.command('add')))
    .summary('register a patient, or the wearer of an unregistered device')
    .addHelpText(
      'after',
      `
Example:
  $ pulsemesh patients add --user-id my-watch --name "Robin Ashdown" --email robin@example.org \\
      --doctor-name "Dr. Toni Berg" --doctor-email berg@example.org --tell patient,doctor`,
    )
    .action(async (flags: PatientFlags) => {
      for (const [flag, value] of [
        ['--user-id', flags.userId],
        ['--name', flags.name],
        ['--email', flags.email],
      ]) {
        if (value === undefined) throw new UsageError(`${flag} is needed`);
      }
      show(await connectGateway(flags).registerPatient(inputOf(flags, null)), flags, output);
    });
  withPatientFlags(withGatewayFlags(patients.command('edit')))
    .argument('<subject>', "the patient's subject id or user id")
    .summary('change a patient; what is not given stays as it is')
    .action(async (name: string, flags: PatientFlags) => {
      const client = connectGateway(flags);
      const before = await find(client, name);
      show(await client.updatePatient(before.subject, inputOf(flags, before)), flags, output);
    });
}

function withPatientFlags(command: Command): Command {
  return command
    .option('--user-id <id>', 'what the wearable calls its wearer')
    .option('--name <name>')
    .option('--email <address>')
    .addOption(new Option('--language <code>', 'of mails to the patient').choices(languages))
    .option('--doctor-name <name>')
    .option('--doctor-email <address>')
    .addOption(new Option('--doctor-language <code>', 'of mails to the doctor').choices(languages))
    .option('--tell <list>', 'who is told of an alert: patient, doctor, both with a comma, or nobody', parseTells)
    .addOption(new Option('--device <kind>', 'replay keeps the times of a recording').choices(['live', 'replay']))
    .option('--json', 'print the patient as JSON');
}

function parseTells(text: string): readonly string[] {
  const tells = text.split(',').map((who) => who.trim());
  const unknown = tells.find((who) => !['patient', 'doctor', 'nobody'].includes(who));
  if (unknown !== undefined) throw new UsageError(`--tell takes patient, doctor or nobody, not ${unknown}`);
  return tells;
}

/** What the flags say over what was there before. */
export function inputOf(flags: PatientFlags, before: PatientView | null): PatientInput {
  const tells = flags.tell;
  return {
    userId: flags.userId ?? before?.userId ?? '',
    name: flags.name ?? before?.name ?? '',
    email: flags.email ?? before?.email ?? '',
    language: flags.language ?? before?.language ?? 'en',
    doctor: doctorOf(flags, before?.doctor ?? null),
    tells:
      tells === undefined
        ? (before?.tells ?? { patient: true, doctor: true })
        : { patient: tells.includes('patient'), doctor: tells.includes('doctor') },
    device: { kind: flags.device ?? before?.device.kind ?? 'live' },
  };
}

function doctorOf(flags: PatientFlags, before: PatientInput['doctor']): PatientInput['doctor'] {
  const name = flags.doctorName ?? before?.name;
  const email = flags.doctorEmail ?? before?.email;
  if (name === undefined && email === undefined) return null;
  if (name === undefined || email === undefined)
    throw new UsageError('a doctor needs --doctor-name and --doctor-email');
  return { name, email, language: flags.doctorLanguage ?? before?.language ?? 'en' };
}

async function find(client: ApiClient, name: string): Promise<PatientView> {
  const found = (await client.patients()).find((patient) => patient.subject === name || patient.userId === name);
  if (found === undefined)
    throw new UsageError('no patient has this subject id or user id; see `pulsemesh patients list`');
  return found;
}

function show(patient: PatientView, flags: PatientFlags, output: Output): void {
  if (flags.json) output.out(JSON.stringify(patient, null, 2));
  else for (const line of patientLines([patient])) output.out(line);
}

/** Patients as a table. */
export function patientLines(patients: readonly PatientView[]): readonly string[] {
  if (patients.length === 0) return ['No patients, and no devices have been heard of.'];
  return table([
    ['name', 'e-mail', 'doctor', 'told', 'device', 'user id', 'subject'],
    ...patients.map((patient) => [
      patient.name ?? '(unregistered)',
      patient.email ?? '',
      patient.doctor?.name ?? '',
      toldOf(patient.tells),
      patient.device.kind,
      patient.userId,
      patient.subject,
    ]),
  ]);
}

function toldOf({ patient, doctor }: PatientView['tells']): string {
  const told = [patient ? 'patient' : '', doctor ? 'doctor' : ''].filter((who) => who !== '');
  return told.length === 0 ? 'nobody' : told.join('+');
}
