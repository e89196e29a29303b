export { openFreshIdentity } from '../process/fresh-identity.ts';
export {
  type AgentNetwork,
  agentFileNames,
  type EnrolAgentOptions,
  enrolAgent,
  NoTokenError,
  openEnrolment,
  type RunningAgent,
  type StartAgentOptions,
  startAgent,
} from './agent.ts';
export {
  type AgentContacts,
  type AgentPeer,
  assertReadsAt,
  OtherRelayError,
  UnknownContactError,
} from './agent-contacts.ts';
export { type AgentMessage, MessageFolder, storedAt } from './agent-inbox.ts';
export { AgentBusyError, type AgentUse } from './agent-store.ts';
export { type AuthorityOperator, OperatorRefusedError, openAuthorityOperator } from './authority-operator.ts';
export { authorityFolderName } from './relay-authority.ts';
export { writeFileAtomically } from './write-file.ts';
