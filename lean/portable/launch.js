'use strict';
/* Runs the patched Lean (see patch.js):  node launch.js TOOLCHAIN ARGUMENTS_OF_LEAN... */
const fs = require('fs');
const path = require('path');

const toolchain = path.resolve(process.argv[2]);
const args = process.argv.slice(3);
delete process.env.SHEPHERD_LEAN_SERVE;
if (args[0] === '--serve') process.env.SHEPHERD_LEAN_SERVE = path.join(__dirname, 'serve.js');
process.env.LEAN_SYSROOT ??= toolchain;               // Lean.findSysroot would start a process
const setting = (name, fallback) => { const v = parseInt(process.env[name], 10); return v > 0 ? v : fallback; };

const die = (message, code) => { try { fs.writeSync(2, message + '\n'); } catch {} process.exit(code); };
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
const retrying = (io) => {
  for (;;) {
    try { return io(); } catch (e) {
      if (e.code === 'EAGAIN') pause();
      else if (e.code === 'EOF') return 0;
      else if (e.code === 'EPIPE') process.exit(141);
      else throw e;
    }
  }
};
const writeAll = (fd, bytes) => { for (let i = 0; i < bytes.length;) i += retrying(() => fs.writeSync(fd, bytes, i)); };

// Debug lines of this build start with \x01 (patch.js); one of them is followed by a list of .olean files.
let held = Buffer.alloc(0), lineStart = true, listing = false;
const dropDebug = (chunk) => {
  if (process.env.SHEPHERD_LEAN_DEBUG) return chunk;
  const out = [];
  let rest = Buffer.concat([held, chunk]);
  held = Buffer.alloc(0);
  while (rest.length) {
    const nl = rest.indexOf(10), line = nl < 0 ? rest : rest.subarray(0, nl + 1);
    rest = rest.subarray(line.length);
    if (lineStart && (line[0] === 1 || (listing && line.toString().startsWith('  - ')))) {
      if (nl < 0) { held = line; break; }
      if (line[0] === 1) listing = line.includes(':FIND]');
      continue;
    }
    listing = false;
    out.push(line);
    lineStart = nl >= 0;
  }
  return Buffer.concat(out);
};

process.on('uncaughtException', (e) => {
  if (typeof e === 'number') {                         // a C++ exception nobody caught
    let message = '';
    try { message = leanModule.getExceptionMessage(e)[1]; } catch {}
    die(`lean: ${message.split('\n')[0] || 'deep recursion'} (see SHEPHERD_LEAN_STACK_MB and lean -s)`, 134);
  }
  if (e instanceof RangeError) die('lean: stack overflow (see SHEPHERD_LEAN_STACK_MB)', 134);
  die('lean: ' + (process.env.SHEPHERD_LEAN_DEBUG && e?.stack || e?.message || e), 134);
});

globalThis.leanModule = {
  arguments: args,
  threads: setting('SHEPHERD_LEAN_THREADS', 2),            // started ahead; more are added on demand
  stackMb: setting('SHEPHERD_LEAN_STACK_MB', 256),         // call stack of each thread
  mainStack: 64 << 20,
  onExit: (code) => process.exit(code),
  stdio: (fd) => ({
    close() {},
    fsync() {},
    read: (_, heap, at, n) => retrying(() => fs.readSync(fd, new Uint8Array(heap.buffer, at, n), 0, n, null)),
    write: (_, heap, at, n) => {
      const bytes = Buffer.from(heap.slice(at, at + n));
      writeAll(fd, fd === 2 ? dropDebug(bytes) : bytes);
      return n;
    },
  }),
  instantiateWasm(imports, done) {
    const module = new WebAssembly.Module(fs.readFileSync(path.join(toolchain, 'lean.wasm')));
    done(new WebAssembly.Instance(module, imports), module);
    return {};
  },
};
require(path.join(toolchain, 'lean.js'));
