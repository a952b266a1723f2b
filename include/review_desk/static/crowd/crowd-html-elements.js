// Answers to https://assets.crowd.aws/crowd-html-elements.js in the frame of a task. A classic script, as templates
// load it, that brings the modules beside it.
import(new URL("main.js", document.currentScript.src).href);
