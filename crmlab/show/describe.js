// Runs in JupyterLab, beside the controls of an explorer. ipywidgets gives the handle of a slider no
// name and JupyterLab gives a picture no text, so a screen reader would say neither. Take the name
// from the label, the value from the text beside the slider, and the picture's text from `said`.
const said = SAID;

function describe(attempts) {
  const box = element.closest(".widget-vbox");
  const handles = box ? [...box.querySelectorAll(".noUi-handle")] : [];
  for (const handle of handles) {
    const slider = handle.closest(".widget-slider");
    handle.setAttribute("aria-label", slider.querySelector(".widget-label").textContent);
    handle.setAttribute("aria-valuetext", slider.querySelector(".widget-readout").textContent);
  }
  const outputs = box?.closest(".jp-OutputArea");
  const picture = outputs?.querySelector(".jp-RenderedImage img");
  picture?.setAttribute("alt", said);
  outputs?.querySelector(".jp-RenderedMarkdown")?.setAttribute("aria-live", "polite");
  // the controls and the picture are drawn one after the other
  const sliders = box ? box.querySelectorAll(".widget-slider").length : 1;
  if (attempts > 0 && (!picture || handles.length < sliders)) {
    setTimeout(describe, 100, attempts - 1);
  }
}

describe(50);
