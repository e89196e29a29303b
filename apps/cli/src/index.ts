export { type Output, processOutput } from './output.ts';
export { runProgram } from './program.ts';
