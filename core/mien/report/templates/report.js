"use strict";
(function () {
  const config = {
    responsive: true,
    displaylogo: false,
    // Only these: one of the others would send the chart to a server.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    plotlyServerURL: "",
    toImageButtonOptions: { format: "svg" },
  };
  const plots = Array.from(document.querySelectorAll(".plot"));
  plots.forEach(function (place) {
    const drawn = JSON.parse(place.nextElementSibling.textContent);
    config.toImageButtonOptions.filename = place.dataset.plot;
    Plotly.newPlot(place, drawn.data, drawn.layout, Object.assign({}, config));
  });
  // A plot that was drawn folded up does not know its width.
  document.querySelectorAll("details").forEach(function (one) {
    one.addEventListener("toggle", function () {
      if (one.open) one.querySelectorAll(".plot").forEach(function (place) { Plotly.Plots.resize(place); });
    });
  });
  // Paper is narrower than the window; Plotly has to be told.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not(.more)").forEach(function (one) { one.dataset.was = one.open ? "1" : ""; one.open = true; });
    plots.forEach(function (place) { Plotly.relayout(place, { width: 660, autosize: false }); });
  });
  window.addEventListener("afterprint", function () {
    document.querySelectorAll("details:not(.more)").forEach(function (one) { one.open = one.dataset.was === "1"; });
    plots.forEach(function (place) { Plotly.relayout(place, { width: null, autosize: true }); });
  });
})();
