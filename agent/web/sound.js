// Three sounds that nobody mixes up: good rises, bad buzzes twice and low, warn is one middle tone.

import { memory } from "./dom.js";

// Each tone: [frequency in Hz, start in s, length in s, wave, loudness 0..1]. Square waves carry further: the buzz needs less.
const SOUNDS = {
  good: [[784, 0, 0.1, "triangle", 0.5], [1175, 0.11, 0.17, "triangle", 0.5]],
  warn: [[523, 0, 0.32, "triangle", 0.55]],
  bad: [[150, 0, 0.2, "square", 0.35], [150, 0.29, 0.26, "square", 0.35]],
};

let context = null;
let muted = memory.get("muted") === "yes";

export const isMuted = () => muted;
export function setMuted(wanted) {
  muted = wanted;
  memory.set("muted", muted ? "yes" : "no");
}

/** True when the browser still waits for a first touch or key before it lets the page sound. */
export const isBlocked = () => !muted && (context === null || context.state !== "running");

/** Make or wake the audio; call it at start and on every gesture until it runs. `onChange` is told when that changes. */
export function wake(onChange) {
  if (context === null) {
    context = new AudioContext();
    context.addEventListener("statechange", onChange);
  }
  if (context.state !== "running") context.resume().then(onChange, () => {});
}

/** Sound a tone; silent when muted or still blocked (a queued sound would come out at the wrong coupon). */
export function play(tone) {
  if (isBlocked() || muted) return;
  for (const [frequency, start, length, wave, loudness] of SOUNDS[tone] ?? SOUNDS.bad) {
    const from = context.currentTime + 0.01 + start;
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(loudness, from + 0.01);
    gain.gain.setValueAtTime(loudness, from + length - 0.03);
    gain.gain.linearRampToValueAtTime(0, from + length);
    const oscillator = new OscillatorNode(context, { frequency, type: wave });
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(from);
    oscillator.stop(from + length);
  }
}
