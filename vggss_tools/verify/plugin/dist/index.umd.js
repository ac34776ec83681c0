// The review panel of vggss-tools in the FiftyOne App. Written by hand: there is no build step.
// FiftyOne gives React, __fop__ (plugins), __fos__ (state) and __fou__ (fetch) as globals.
//
// Each act goes to an operator of ../__init__.py and is on disk before the next clip shows.
(function () {
  "use strict";

  const PLUGIN = "@vggss/review";
  const KEYS = { y: "yes", n: "no", u: "not_sure" };
  const NAMES = { yes: "Yes", no: "No", not_sure: "Not sure", unseen: "not answered" };
  const AHEAD = 3; // clips loaded before they are asked for
  const WAIT_MS = 20000; // for an operator; the answer is then shown as not saved
  const SMALLEST = 0.01; // of the frame's side: a smaller drag is a click
  const SVG = "http://www.w3.org/2000/svg";
  // FiftyOne opens an offer over the page in a browser that it does not know; it would lie over
  // ours, and take the first click. This is what it keeps once somebody has closed it.
  const OFFER_SEEN = "fiftyone-enterprise-tooltip-seen";

  const STYLE = `
  .vggss-root { container-type: inline-size; width: 100%; height: 100%; }
  .vggss { display: flex; gap: 16px; height: 100%; padding: 12px; box-sizing: border-box;
    font: 14px/1.4 system-ui, sans-serif; color: #eee; background: #1b1b1d; outline: none;
    overflow: auto; }
  .vggss .stage { flex: 1 1 auto; min-width: 320px; display: flex; flex-direction: column;
    gap: 8px; min-height: 0; }
  .vggss .picture { position: relative; flex: 1 1 auto; min-height: 200px; background: #000;
    display: flex; align-items: center; justify-content: center; overflow: hidden; }
  .vggss video { position: absolute; visibility: hidden; width: 100%; height: 100%;
    object-fit: contain; }
  .vggss video.shown { visibility: visible; }
  .vggss svg { position: absolute; cursor: crosshair; overflow: visible; touch-action: none; }
  .vggss rect { fill: transparent; stroke-width: 2.5; vector-effect: non-scaling-stroke;
    pointer-events: all; cursor: move; }
  .vggss .sounding { stroke: #35d07f; } .vggss .silent { stroke: #ff5c5c; stroke-dasharray: 6 4; }
  .vggss .selected { fill: rgba(255, 255, 255, .14); stroke-width: 4; }
  .vggss .corner { fill: #fff; stroke: #000; stroke-width: 1; cursor: nwse-resize; }
  .vggss svg text { fill: #fff; paint-order: stroke; stroke: #000; stroke-width: 3px;
    font: bold 13px system-ui, sans-serif; pointer-events: none; }
  .vggss .side { flex: 0 0 270px; display: flex; flex-direction: column; gap: 10px; }
  .vggss h2 { font-size: 17px; margin: 0; } .vggss p { margin: 0; }
  .vggss .dim { color: #aaa; font-size: 12.5px; }
  .vggss button { font: inherit; color: inherit; background: #333338; border: 1px solid #55555c;
    border-radius: 5px; padding: 6px 10px; cursor: pointer; }
  .vggss button:hover { background: #44444a; }
  .vggss button:focus-visible { outline: 2px solid #fff; }
  .vggss .answers { display: flex; gap: 6px; } .vggss .answers button { flex: 1; padding: 10px 4px; }
  .vggss .chosen { border-color: #fff; box-shadow: inset 0 0 0 1px #fff; }
  .vggss .boxes { display: flex; flex-direction: column; gap: 4px; max-height: 200px;
    overflow: auto; }
  .vggss .boxes button { text-align: left; padding: 4px 8px; }
  .vggss progress { width: 100%; accent-color: #35d07f; }
  .vggss .alarm { background: #8d1b1b; padding: 8px; border-radius: 5px; }
  .vggss .alarm:empty, .vggss .note:empty { display: none; }
  .vggss .note { background: #4a3d12; padding: 6px 8px; border-radius: 5px; }
  .vggss .start { position: absolute; inset: 0; display: flex; align-items: center;
    justify-content: center; background: rgba(0, 0, 0, .72); z-index: 2; }
  .vggss .start[hidden] { display: none; } .vggss .start button { font-size: 18px; padding: 14px 22px; }
  .vggss kbd { background: #000; border: 1px solid #666; border-radius: 3px; padding: 0 5px;
    font: 12px ui-monospace, monospace; }
  @container (max-width: 640px) { .vggss { flex-direction: column; }
    .vggss .side { flex: none; } .vggss .stage { min-height: 300px; } }
  .vggss table { border-spacing: 0 3px; } .vggss td { padding-right: 10px; }
  `;

  function element(name, properties, ...children) {
    const made = document.createElement(name);
    Object.assign(made, properties || {});
    made.append(...children);
    return made;
  }

  function drawn(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const key of Object.keys(attributes)) made.setAttribute(key, attributes[key]);
    return made;
  }

  // Made here, so that an act which is sent again counts once.
  function newId() {
    if (crypto.randomUUID) return crypto.randomUUID();
    const hex = [...crypto.getRandomValues(new Uint8Array(16))]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
  }

  // One operator call: its result, or an Error in words for the reviewer.
  async function call(action, parameters) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("the App's server does not answer")), WAIT_MS);
    });
    const body = { operator_uri: `${PLUGIN}/${action}`, params: parameters || {} };
    let response;
    try {
      response = await Promise.race([
        window.__fou__.getFetchFunction()("POST", "/operators/execute", body, "json", 0),
        late,
      ]);
    } catch (error) {
      throw new Error(`the App's server does not answer (${error.message || error})`);
    } finally {
      clearTimeout(timer);
    }
    if (response.error || response.error_message) {
      throw new Error(response.error_message || String(response.error).trim().split("\n").pop());
    }
    if (!response.result || response.result.refused) {
      throw new Error(response.result ? response.result.refused : "no result");
    }
    return response.result;
  }

  function mediaUrl(path) {
    return window.__fos__.getSampleSrc(path);
  }

  // Resolves when a picture of the video is on the screen. One that is decoded already is painted
  // with the next animation frame; the second callback comes after that paint.
  function picturePainted(video) {
    return new Promise((resolve) => {
      if (video.error) resolve(); // said elsewhere
      else if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA
          || !video.requestVideoFrameCallback) {
        requestAnimationFrame(() => requestAnimationFrame(resolve));
      } else {
        video.requestVideoFrameCallback(resolve);
        video.addEventListener("error", resolve, { once: true }); // said elsewhere
      }
    });
  }

  class ReviewPanel {
    constructor(root) {
      this.root = root;
      this.clips = []; // [clip id, own decision]
      this.at = -1;
      this.questions = new Map(); // clip id -> promise of a question
      this.videos = new Map(); // clip id -> video element
      this.question = null;
      this.boxes = [];
      this.selected = -1;
      this.busy = false;
      this.muted = false;
      this.closed = false;
      this.build();
      this.onKey = (event) => this.key(event);
      document.addEventListener("keydown", this.onKey, true);
      this.resized = new ResizeObserver(() => this.place());
      this.resized.observe(this.picture);
      this.open();
    }

    close() {
      this.closed = true;
      document.removeEventListener("keydown", this.onKey, true);
      this.resized.disconnect();
      for (const video of this.videos.values()) this.drop(video);
      this.root.replaceChildren();
    }

    build() {
      this.svg = drawn("svg", {});
      this.start = element("div", { className: "start", hidden: true },
        element("button", { onclick: () => this.begin() }, "Start with sound (Space)"));
      this.picture = element("div", { className: "picture" }, this.svg, this.start);
      this.title = element("h2", {}, "…");
      this.where = element("p", { className: "dim" });
      this.note = element("p", { className: "note" });
      this.untaken = element("p", { className: "note" });
      this.alarm = element("div", { className: "alarm" });
      this.alarm.setAttribute("role", "alert");
      this.answers = {};
      const row = element("div", { className: "answers" });
      for (const [key, decision] of Object.entries(KEYS)) {
        this.answers[decision] = element("button", { onclick: () => this.answer(decision) },
          element("kbd", {}, key.toUpperCase()), ` ${NAMES[decision]}`);
        row.append(this.answers[decision]);
      }
      this.list = element("div", { className: "boxes" });
      this.bar = element("progress", {});
      this.counts = element("p", {});
      this.agreement = element("p", { className: "dim" });
      const help = element("table", { className: "dim" });
      for (const [keys, text] of [
        ["1 … 9", "box sounding or silent"], ["drag", "draw, move or resize a box"],
        ["Del", "remove the chosen box"], ["Z", "undo"], ["← →", "look at others"],
        ["Space", "pause"], ["F", "hold at the frame"], ["M", "sound on or off"],
      ]) {
        help.append(element("tr", {}, element("td", {}, element("kbd", {}, keys)),
          element("td", {}, text)));
      }
      this.sound = element("button", { onclick: () => this.mute() }, "Sound on");
      const undo = element("button", { onclick: () => this.undo() }, "Undo");
      const side = element("div", { className: "side" }, this.title, this.where, this.note,
        this.untaken, this.alarm, row, this.list, element("div", { className: "answers" }, undo, this.sound),
        this.bar, this.counts, this.agreement, help);
      this.node = element("div", { className: "vggss", tabIndex: -1 },
        element("style", {}, STYLE),
        side, element("div", { className: "stage" }, this.picture));
      this.root.replaceChildren(this.node);
      this.svg.addEventListener("pointerdown", (event) => this.grab(event));
    }

    async open() {
      this.busy = true; // no key answers before it is known whether the sound may play
      this.alarm.replaceChildren();
      try {
        const opening = await call("opening");
        if (this.closed) return;
        this.split = opening.split;
        this.reviewer = opening.reviewer;
        this.clips = opening.clips;
        this.progress(opening.progress);
        const first = this.unanswered(-1);
        await this.show(first >= 0 ? first : 0);
        this.node.dataset.state = "ready";
      } catch (error) {
        this.complain("Cannot be opened", error, () => this.open());
      } finally {
        this.busy = false;
      }
    }

    // The next clip without an answer of this reviewer, round the end; -1 if there is none.
    unanswered(from) {
      for (let step = 1; step <= this.clips.length; step++) {
        const index = (from + step) % this.clips.length;
        if (this.clips[index][1] === "unseen") return index;
      }
      return -1;
    }

    load(index) {
      const clip = this.clips[index];
      if (!clip) return null;
      const id = clip[0];
      if (!this.questions.has(id)) {
        const asked = call("question", { clip_id: id }).then((question) => {
          this.tell(question.left_out);
          if (!this.closed && !this.videos.has(id)) this.videos.set(id, this.video(question));
          return question;
        });
        asked.catch(() => this.questions.delete(id)); // asked again when it is needed
        this.questions.set(id, asked);
      }
      return this.questions.get(id);
    }

    video(question) {
      const video = element("video", {
        src: mediaUrl(question.segment), loop: true, preload: "auto", playsInline: true,
        muted: this.muted, crossOrigin: null,
      });
      video.dataset.clip = question.clip_id;
      video.onerror = () => {
        if (this.question && this.question.clip_id === question.clip_id) {
          this.complain("The browser cannot play the clip", new Error(question.segment));
        }
      };
      this.picture.insertBefore(video, this.svg);
      return video;
    }

    drop(video) {
      video.pause();
      video.removeAttribute("src");
      video.load();
      video.remove();
    }

    async show(index) {
      const question = await this.load(index);
      if (this.closed || !question) return;
      const before = this.question && this.videos.get(this.question.clip_id);
      this.at = index;
      this.question = question;
      this.boxes = question.boxes.map((box) => ({ bbox: [...box.bbox], sounding: box.sounding }));
      this.selected = -1;
      const video = this.videos.get(question.clip_id);
      if (before && before !== video) {
        before.pause();
        before.classList.remove("shown");
      }
      video.muted = this.muted;
      video.classList.add("shown");
      this.node.dataset.clip = question.clip_id;
      this.describe();
      this.place();
      if (video.error) {
        this.complain("The browser cannot play the clip", new Error(question.segment));
      }
      const painted = picturePainted(video);
      const allowed = this.play(video); // a refusal is known at once, a start with the picture
      this.look(index);
      await Promise.race([painted, allowed]);
      if (this.start.hidden) await painted;
    }

    // Load the next clips now, and let go of those that are far.
    look(index) {
      const keep = new Set([this.clips[index][0]]);
      let next = index;
      for (let step = 0; step < AHEAD; step++) {
        next = this.unanswered(next);
        if (next < 0) break;
        keep.add(this.clips[next][0]);
      }
      for (const near of [index - 1, index + 1]) if (this.clips[near]) keep.add(this.clips[near][0]);
      for (const id of [...this.videos.keys()]) {
        if (!keep.has(id)) {
          this.drop(this.videos.get(id));
          this.videos.delete(id);
          this.questions.delete(id);
        }
      }
      this.clips.forEach(([id], place) => {
        if (keep.has(id) && !this.questions.has(id)) this.load(place).catch(() => null);
      });
    }

    play(video) {
      const playing = video.play();
      if (!playing) return Promise.resolve();
      return playing.then(
        () => { this.start.hidden = true; },
        (error) => {
          // Browsers play sound only after a key or a click on the page.
          if (error.name === "NotAllowedError") this.start.hidden = false;
        },
      );
    }

    begin() {
      this.start.hidden = true;
      const video = this.question && this.videos.get(this.question.clip_id);
      if (video) this.play(video);
      this.node.focus();
    }

    describe() {
      const question = this.question;
      this.title.textContent = 
        `Do you hear “${question.class}”, and is its source in the boxes?`;
      this.where.textContent =
        `${question.clip_id} · ${this.at + 1} of ${this.clips.length} · ${this.split} · ` +
        `${this.reviewer}`;
      const others = Object.entries(question.opinions || {})
        .map(([name, decision]) => `${name}: ${NAMES[decision]}`);
      this.note.textContent = [question.note, ...others].filter(Boolean).join(" · ");
      for (const [decision, button] of Object.entries(this.answers)) {
        button.classList.toggle("chosen", this.clips[this.at][1] === decision);
      }
      this.draw();
    }

    // Lay the drawing over the picture as it is letterboxed.
    place() {
      if (!this.question) return;
      const { clientWidth: width, clientHeight: height } = this.picture;
      const scale = Math.min(width / this.question.width, height / this.question.height);
      const w = this.question.width * scale;
      const h = this.question.height * scale;
      Object.assign(this.svg.style, { width: `${w}px`, height: `${h}px`,
        left: `${(width - w) / 2}px`, top: `${(height - h) / 2}px` });
      this.size = [w, h];
      this.draw();
    }

    draw() {
      if (!this.size || !this.question) return;
      const [w, h] = this.size;
      this.svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
      const parts = [];
      const rows = [];
      this.boxes.forEach((box, index) => {
        const [x0, y0, x1, y1] = box.bbox;
        const kind = box.sounding ? "sounding" : "silent";
        const chosen = index === this.selected;
        const rect = drawn("rect", { x: x0 * w, y: y0 * h, width: (x1 - x0) * w,
          height: (y1 - y0) * h, class: chosen ? `${kind} selected` : kind, "data-box": index });
        const text = drawn("text", { x: x0 * w + 5, y: Math.max(y0 * h + 16, 16) });
        text.textContent = `${index + 1} ${kind}`;
        parts.push(rect, text);
        if (chosen) {
          for (const [cx, cy, corner] of [[x0, y0, "01"], [x1, y0, "21"], [x0, y1, "03"],
            [x1, y1, "23"]]) {
            parts.push(drawn("rect", { x: cx * w - 5, y: cy * h - 5, width: 10, height: 10,
              class: "corner", "data-corner": corner, "data-box": index }));
          }
        }
        rows.push(element("button", { className: chosen ? "chosen" : "",
          onclick: () => this.toggle(index) },
        element("kbd", {}, String(index + 1)), ` ${kind}`));
      });
      this.svg.replaceChildren(...parts);
      this.list.replaceChildren(...(rows.length ? rows
        : [element("p", { className: "dim" }, "No boxes. Drag over the picture to draw one.")]));
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey || !this.node.offsetParent) return;
      const target = event.target;
      if (target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) {
        return;
      }
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = this.action(key);
      if (!act) return;
      // The App has keys of its own; while the panel is in front, these are ours.
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat || key.startsWith("Arrow")) act();
    }

    action(key) {
      if (!this.start.hidden) {
        // No answer before the sound can be heard.
        if (key === " " || key === "Enter") return () => this.begin();
        return key in KEYS ? () => null : null;
      }
      if (key === "Enter") return null; // presses the button that has the focus
      if (key in KEYS) return () => this.answer(KEYS[key]);
      if (/^[1-9]$/.test(key)) return () => this.toggle(Number(key) - 1);
      return {
        z: () => this.undo(),
        Delete: () => this.remove(),
        Backspace: () => this.remove(),
        ArrowLeft: () => this.browse(-1),
        ArrowRight: () => this.browse(1),
        " ": () => this.pause(),
        f: () => this.hold(),
        m: () => this.mute(),
      }[key] || null;
    }

    // One act at a time; what fails is said, and the clip stays.
    async act(work, failing = "Not saved") {
      if (this.busy || !this.question) return;
      this.busy = true; // keys are let be until the clip is seen that they are about
      this.node.dataset.state = "busy";
      this.alarm.replaceChildren();
      try {
        await work();
      } catch (error) {
        if (error.saved) this.complain("Saved, but the next clip cannot be shown", error.saved, error.again);
        else this.complain(failing, error, () => this.act(work, failing));
      } finally {
        this.busy = false;
        this.node.dataset.state = this.alarm.firstChild ? "alarm" : "ready";
      }
    }

    answer(decision) {
      const pressed = performance.now();
      const event = newId();
      return this.act(async () => {
        const { clip_id: id } = this.question;
        const result = await call("answer", { clip_id: id, decision, boxes: this.boxes,
          event_id: event });
        performance.measure("vggss-saved", { start: pressed, detail: id });
        this.took(result);
        const next = this.unanswered(this.at);
        if (next < 0) {
          this.describe();
          this.say("That was the last clip: all are answered.");
          return;
        }
        await this.showAfter(next);
        performance.measure("vggss-next", { start: pressed, detail: this.question.clip_id });
      });
    }

    edit(change) {
      const event = newId();
      return this.act(async () => {
        const boxes = this.boxes.map((box) => ({ bbox: [...box.bbox], sounding: box.sounding }));
        const changed = change(boxes);
        if (!changed) return;
        let result;
        try {
          result = await call("edit", { clip_id: this.question.clip_id, boxes: changed,
            event_id: event });
        } catch (error) {
          this.draw(); // as they are in the log
          throw error;
        }
        this.boxes = result.boxes;
        this.took(result);
        this.draw();
      });
    }

    toggle(index) {
      if (!this.boxes[index]) return null;
      this.selected = index;
      return this.edit((boxes) => {
        boxes[index].sounding = !boxes[index].sounding;
        return boxes;
      });
    }

    remove() {
      const index = this.selected;
      if (!this.boxes[index]) return null;
      this.selected = -1;
      return this.edit((boxes) => boxes.filter((_, place) => place !== index));
    }

    undo() {
      const event = newId();
      return this.act(async () => {
        const result = await call("undo", { event_id: event });
        this.took(result);
        this.questions.delete(result.clip_id); // asked anew: boxes as they stand now
        const index = this.clips.findIndex(([id]) => id === result.clip_id);
        await this.showAfter(index);
        this.say(`Undone: ${result.clip_id}`);
      });
    }

    browse(step) {
      const index = this.at + step;
      if (!this.clips[index]) return null;
      return this.act(() => this.show(index), "Cannot be shown");
    }

    // Show a clip after an act that is saved; what fails now is only the looking.
    async showAfter(index) {
      try {
        await this.show(index);
      } catch (error) {
        const looking = new Error(error.message);
        looking.saved = error;
        looking.again = () => this.act(() => this.show(index), "Cannot be shown");
        throw looking;
      }
    }

    // Keep what the server said after an act.
    took(result) {
      const clip = this.clips.find(([id]) => id === result.clip_id);
      if (clip) clip[1] = result.decision;
      const asked = this.questions.get(result.clip_id);
      if (asked) {
        this.questions.set(result.clip_id,
          asked.then((question) => ({ ...question, boxes: result.boxes })));
      }
      this.progress(result.progress);
      if (!result.database) {
        this.say("FiftyOne's data set cannot be reached. Answers are still saved in the log.");
      }
      this.tell(result.left_out);
    }

    progress(progress) {
      this.bar.max = progress.clips || 1;
      this.bar.value = progress.done;
      const each = Object.entries(progress.decisions)
        .map(([decision, count]) => `${count} ${NAMES[decision].toLowerCase()}`).join(", ");
      this.counts.textContent = `${progress.done} of ${progress.clips} answered` +
        (each ? `: ${each}` : "");
      const others = Object.entries(progress.others).map(([name, { both, same, kappa }]) =>
        `${name}: ${same} of ${both} alike` +
        (kappa === null ? "" : `, kappa ${kappa.toFixed(2)}`));
      this.agreement.textContent = others.length ? `Agreement with ${others.join("; ")}` : "";
    }

    pause() {
      const video = this.videos.get(this.question.clip_id);
      if (video.paused) this.play(video);
      else video.pause();
    }

    hold() {
      const video = this.videos.get(this.question.clip_id);
      video.pause();
      video.currentTime = this.question.frame_at;
    }

    mute() {
      this.muted = !this.muted;
      for (const video of this.videos.values()) video.muted = this.muted;
      this.sound.textContent = this.muted ? "Sound off" : "Sound on";
    }

    // Draw, move or resize with the pointer.
    grab(event) {
      if (this.busy || !this.question || event.button !== 0) return;
      event.preventDefault();
      const frame = this.svg.getBoundingClientRect();
      const at = (e) => [
        Math.min(Math.max((e.clientX - frame.left) / frame.width, 0), 1),
        Math.min(Math.max((e.clientY - frame.top) / frame.height, 0), 1),
      ];
      const began = at(event);
      const place = event.target.getAttribute("data-box");
      const corner = event.target.getAttribute("data-corner");
      const index = place === null ? this.boxes.length : Number(place);
      const old = place === null ? null : [...this.boxes[index].bbox];
      const kept = this.boxes;
      const sounding = old ? this.boxes[index].sounding : true;
      let moved = null;
      const shape = ([x, y]) => {
        if (!old) return ordered([...began, x, y]);
        if (corner) {
          const box = [...old];
          box[Number(corner[0])] = x;
          box[Number(corner[1])] = y;
          return ordered(box);
        }
        const dx = Math.min(Math.max(x - began[0], -old[0]), 1 - old[2]);
        const dy = Math.min(Math.max(y - began[1], -old[1]), 1 - old[3]);
        return [old[0] + dx, old[1] + dy, old[2] + dx, old[3] + dy];
      };
      const follow = (e) => {
        const now = at(e);
        if (Math.hypot(now[0] - began[0], now[1] - began[1]) < SMALLEST && !moved) return;
        moved = shape(now);
        this.boxes = kept.slice();
        this.boxes[index] = { bbox: moved, sounding };
        this.selected = index;
        this.draw();
      };
      const release = () => {
        window.removeEventListener("pointermove", follow);
        window.removeEventListener("pointerup", release);
        this.boxes = kept;
        if (!moved) {
          this.selected = old ? index : -1;
          this.draw();
          return;
        }
        if (moved[2] - moved[0] < SMALLEST || moved[3] - moved[1] < SMALLEST) {
          this.draw(); // a line is no box
          return;
        }
        this.edit((boxes) => {
          boxes[index] = { bbox: moved, sounding };
          return boxes;
        });
      };
      window.addEventListener("pointermove", follow);
      window.addEventListener("pointerup", release);
      this.node.focus();
    }

    // Edits made with FiftyOne's own tools that could not be taken.
    tell(lines) {
      if (!lines || !lines.length) return;
      const text = `Not taken from FiftyOne's own tools: ${lines.join("; ")}`;
      this.untaken.textContent = text;
    }

    say(text) {
      this.note.textContent = text;
    }

    complain(what, error, again) {
      const parts = [element("p", {}, `${what}: ${error.message}`)];
      if (again) parts.push(element("button", { onclick: again }, "Try again"));
      this.alarm.replaceChildren(...parts);
    }
  }

  function ordered([x0, y0, x1, y1]) {
    return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  }

  function Panel() {
    const { createElement, useEffect, useRef } = window.React;
    const root = useRef(null);
    useEffect(() => {
      const panel = new ReviewPanel(root.current);
      return () => panel.close();
    }, []);
    return createElement("div", { ref: root, className: "vggss-root" });
  }

  try {
    window.localStorage.setItem(OFFER_SEEN, "true");
  } catch (error) {
    console.info("vggss: this browser keeps nothing", error); // the offer then has to be closed
  }

  window.__fop__.registerComponent({
    name: "vggss_review",
    label: "Review",
    component: Panel,
    type: window.__fop__.PluginComponentType.Panel,
    activator: () => true,
    panelOptions: { surfaces: "grid", helpMarkdown: "Y, N or U for each clip." },
  });
})();
