import { describe, expect, it } from '@jest/globals';
import { lastWords } from './last-words.js';

const LOGGED = '{"level":"fatal","msg":"The backup is damaged.","code":"BACKUP_INVALID"}';
const UNCAUGHT = `node:internal/util/parse_args:82
    throw new ERR_PARSE_ARGS_INVALID_OPTION_VALUE(errorMessage);
          ^

TypeError [ERR_PARSE_ARGS_INVALID_OPTION_VALUE]: Option '--mesh' argument is ambiguous.
To specify an option argument starting with a dash use '--mesh=-XYZ'.
    at checkOptionLikeValue (node:internal/util/parse_args:82:11)
    at ModuleJob.run (node:internal/modules/esm/module_job:561:25) {
  code: 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE'
}

Node.js v24.21.0
`;

describe('what a program said last', () => {
  it.each([
    ['its last log line', `{"level":"info","msg":"begun"}\n${LOGGED}\n`, LOGGED],
    [
      'an error that nobody caught, not the version that Node ends with',
      `{"level":"info","msg":"begun"}\n${UNCAUGHT}`,
      "TypeError [ERR_PARSE_ARGS_INVALID_OPTION_VALUE]: Option '--mesh' argument is ambiguous.",
    ],
    ['a log line that follows a stack', `${UNCAUGHT}${LOGGED}\n`, LOGGED],
    [
      'an error whose cause has a stack as well: the cause',
      `Error: it failed\n    at a (x.js:1:1) {\n  [cause]: 1\n}\nRangeError: too deep\n    at b (x.js:2:1)\n\nNode.js v24.21.0\n`,
      'RangeError: too deep',
    ],
    [
      'that its memory was used up, above the native stack',
      '\n<--- Last few GCs --->\n\n[1:0x1] 900 ms: Mark-Compact\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0x7 node::OOMErrorHandler\n',
      'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    ],
    ['a stack whose headline was cut off: its last line', 'age\n    at a (x.js:1:1)\n}\n', '}'],
    ['nothing', '\n', 'it said nothing'],
  ])('%s', (_what, text, words) => {
    expect(lastWords(text)).toBe(words);
  });
});
