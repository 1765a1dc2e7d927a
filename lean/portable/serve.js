'use strict';
/* Compiles one file after another in one process:  node launch.js TOOLCHAIN --serve
 *
 * Each line of input is a request, {"file": F, "root": R, "olean": O}.  The answer is what `lean --json -R R -o O F`
 * prints, and then {"ok": B}.  patch.js calls this on the thread that runs Lean's main.
 *
 * The first request goes through main, which sets Lean up; the others through what main calls, lean_shell_main.  Both
 * end with the exit of the process, which is replaced by a way back to here.
 */
const fs = require('fs');

module.exports = (lean) => {
  const { call } = lean;

  /* ---- Lean objects: pointers to a header of 8 bytes (counter, size, fields, constructor) and the fields ---- */

  const u32 = (at) => lean.heap().readUInt32LE(at);
  const cString = (text) => {
    const bytes = Buffer.from(text + '\0'), at = lean.malloc(bytes.length);
    bytes.copy(lean.heap(), at);
    return at;
  };
  const nothing = 1;                                          // the constructor 0 without fields, boxed
  // A counter of 0 says that an object is never freed: requests are few and small.
  const object = (constructor, ...fields) => {
    const at = lean.malloc(8 + 4 * fields.length), heap = lean.heap();
    heap.writeUInt32LE(0, at);
    heap.writeUInt16LE(8 + 4 * fields.length, at + 4);
    heap[at + 6] = fields.length;
    heap[at + 7] = constructor;
    fields.forEach((field, i) => heap.writeUInt32LE(field, at + 8 + 4 * i));
    return at;
  };
  const string = (text) => call('lean_mk_string', cString(text));
  const some = (value) => object(1, value);
  const list = (values) => values.reduceRight((tail, head) => object(1, head, tail), nothing);

  /* ---- requests ---- */

  let input = Buffer.alloc(0);
  const readLine = () => {
    for (;;) {
      const end = input.indexOf(10);
      if (end >= 0) {
        const line = input.subarray(0, end).toString();
        input = input.subarray(end + 1);
        return line;
      }
      const chunk = Buffer.alloc(1 << 16);
      const n = fs.readSync(0, chunk, 0, chunk.length, null);
      if (n === 0) return null;
      input = Buffer.concat([input, chunk.subarray(0, n)]);
    }
  };

  const throughMain = ({ file, root, olean }) => {
    const args = ['lean', '--json', '-R', root, '-o', olean, file].map(cString);
    const argv = lean.malloc(4 * (args.length + 1)), heap = lean.heap();
    [...args, 0].forEach((arg, i) => heap.writeUInt32LE(arg, argv + 4 * i));
    return lean.main(args.length, argv);
  };

  const withOption = (options, letter, value) => {
    const result = call('lean_shell_options_process', options, letter.charCodeAt(0), value === undefined ? nothing : some(string(value)), nothing);
    if (lean.heap()[result + 7] !== 0) throw new Error(`lean refuses -${letter}`);
    return u32(result + 8);
  };
  const throughShell = ({ file, root, olean }) => {
    let options = call('lean_shell_options_mk', nothing);
    options = withOption(options, 'J');
    options = withOption(options, 'R', root);
    options = withOption(options, 'o', olean);
    return call('lean_shell_main', list([string(file)]), options, nothing);
  };

  class Exit { constructor(status) { this.status = status; } }
  lean.setOnExit((status) => { throw new Exit(status); });
  const stack = lean.stackSave();
  let compile = throughMain;
  for (let line; (line = readLine()) !== null;) {
    let status;
    try { compile(JSON.parse(line)); status = 1; } catch (e) {
      if (!(e instanceof Exit)) throw e;
      status = e.status;
    }
    lean.stackRestore(stack);
    lean.flush();
    fs.writeSync(1, JSON.stringify({ ok: status === 0 }) + '\n');
    compile = throughShell;
  }
  lean.setOnExit(undefined);
};
