#include "service/ctl/curve_svg.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "lib/value/profit_curve.h"

namespace attune::ctl {
namespace {

// Of the plot within the picture.
constexpr double kPlotLeft = 100;
constexpr double kPlotRight = 730;
constexpr double kPlotTop = 90;
constexpr double kPlotBottom = 440;
// About as many lines as the grid has from bottom to top.
constexpr double kGridLines = 6;
// What a line of the title holds.
constexpr size_t kTitleChars = 84;
constexpr double kTitleLeft = 30;

constexpr std::string_view kHead =
    R"(<svg xmlns="http://www.w3.org/2000/svg" width="760" height="500" viewBox="0 0 760 500" role="img">
<style>
text { font-family: Helvetica, Arial, sans-serif; font-size: 13px; fill: #222 }
.title { font-size: 15px; font-weight: bold }
.note { paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round }
.grid { stroke: #ddd; stroke-width: 1 }
.axis { stroke: #222; stroke-width: 1.5 }
.curve { fill: none; stroke: #1f5fa8; stroke-width: 2.5; stroke-linejoin: round }
.mark { fill: #b3261e }
</style>
<rect width="760" height="500" fill="#fff"/>
)";

std::string XmlText(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) escaped += c;
    }
  }
  return escaped;
}

// 1, 2 or 5 times a power of ten: the range in about kGridLines steps.
double GridStep(double range) {
  const double rough = range / kGridLines;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

// The words on lines that fit the title.
std::vector<std::string> TitleLines(std::string_view text) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ' ')) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > kTitleChars) {
      lines.emplace_back();
    }
    absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", word);
  }
  return lines;
}

// One picture. Not thread-safe.
class Picture {
 public:
  explicit Picture(const v1::ValueServiceGetProfitCurveResponse& curve)
      : curve_(curve), in_percent_(curve.total() > 0) {
    double lowest = 0;
    double highest = 0;
    for (const v1::ProfitPoint& point : curve.points()) {
      lowest = std::min(lowest, Scaled(point.profit()));
      highest = std::max(highest, Scaled(point.profit()));
    }
    if (highest == lowest) highest = lowest + 1;
    step_ = GridStep(highest - lowest);
    low_ = std::floor(lowest / step_) * step_;
    high_ = std::ceil(highest / step_) * step_;
  }

  std::string Draw() {
    svg_ = kHead;
    absl::StrAppend(&svg_, "<title>", XmlText(curve_.sentence()), "</title>\n");
    double y = 28;
    for (const std::string& line : TitleLines(curve_.sentence())) {
      Text(kTitleLeft, y, "start", XmlText(line), "title");
      y += 20;
    }
    DrawAxes();
    DrawCurve();
    DrawMarks();
    svg_ += "</svg>\n";
    return svg_;
  }

 private:
  double Scaled(double profit) const {
    return in_percent_ ? 100 * profit / curve_.total() : profit;
  }
  double X(double customers) const { return kPlotLeft + customers * (kPlotRight - kPlotLeft); }
  double Y(double scaled) const {
    return kPlotBottom - (scaled - low_) / (high_ - low_) * (kPlotBottom - kPlotTop);
  }
  std::string AmountText(double scaled) const {
    // What rounding leaves of zero is zero.
    const double amount = std::abs(scaled) < step_ / 1e6 ? 0 : scaled;
    if (!in_percent_ && step_ >= 1) return value::AmountText(amount, "");
    return absl::StrFormat("%.6g%s", amount, in_percent_ ? " %" : "");
  }

  void Line(std::string_view style, double x1, double y1, double x2, double y2) {
    absl::StrAppendFormat(&svg_,
                          "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                          std::string(style), x1, y1, x2, y2);
  }
  void Text(double x, double y, std::string_view anchor, const std::string& text,
            std::string_view style = "label") {
    absl::StrAppendFormat(&svg_,
                          "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
                          std::string(style), x, y, std::string(anchor), text);
  }

  void DrawAxes() {
    const int lines = static_cast<int>(std::lround((high_ - low_) / step_));
    for (int i = 0; i <= lines; ++i) {
      const double amount = low_ + i * step_;
      Line("grid", kPlotLeft, Y(amount), kPlotRight, Y(amount));
      Text(kPlotLeft - 8, Y(amount) + 4, "end", AmountText(amount));
    }
    for (int percent = 0; percent <= 100; percent += 20) {
      const double x = X(percent / 100.0);
      Line("grid", x, kPlotTop, x, kPlotBottom);
      Text(x, kPlotBottom + 20, "middle", absl::StrCat(percent, " %"));
    }
    Line("axis", kPlotLeft, kPlotTop, kPlotLeft, kPlotBottom);
    Line("axis", kPlotLeft, Y(0), kPlotRight, Y(0));
    Text((kPlotLeft + kPlotRight) / 2, kPlotBottom + 45, "middle",
         absl::StrCat("share of the ", curve_.customers(), " customers, the best first"));
    const std::string unit =
        in_percent_ || curve_.currency().empty() ? "" : absl::StrCat(", ", curve_.currency());
    absl::StrAppendFormat(&svg_,
                          "<text class=\"label\" transform=\"translate(22 %.1f) rotate(-90)\" "
                          "text-anchor=\"middle\">%s</text>\n",
                          (kPlotTop + kPlotBottom) / 2,
                          XmlText(absl::StrCat(in_percent_ ? "share of the profit" : "profit", unit,
                                               " (", curve_.score(), ")")));
  }

  void DrawCurve() {
    svg_ += "<polyline class=\"curve\" points=\"";
    for (const v1::ProfitPoint& point : curve_.points()) {
      absl::StrAppendFormat(&svg_, "%.1f,%.1f ", X(point.customers()), Y(Scaled(point.profit())));
    }
    svg_.back() = '"';
    svg_ += "/>\n";
  }

  // A dot on the curve; its note stands above it, or below and to the right, where the curve, which
  // bends down, leaves room.
  void DrawMark(double customers, double scaled, const std::string& note, bool above) {
    const double x = X(customers);
    const double y = Y(scaled);
    absl::StrAppendFormat(&svg_, "<circle class=\"mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x,
                          y);
    if (above) {
      Text(x, y - 10, customers > 0.5 ? "end" : "start", note, "note");
    } else if (customers > 0.5) {
      // As it is with one customer or two: to the right there is no room.
      Text(x - 12, y + 18, "end", note, "note");
    } else {
      Text(x + 12, y + 18, "start", note, "note");
    }
  }

  void DrawMarks() {
    if (curve_.customers() == 0 || curve_.parts_withheld()) return;
    const auto all = static_cast<double>(curve_.customers());
    const double top = static_cast<double>(curve_.top_customers()) / all;
    const double top_profit = Scaled(curve_.top_profit());
    DrawMark(top, top_profit,
             absl::StrCat("best ", value::PercentText(value::kTopShare), ": ",
                          AmountText(std::round(top_profit * 10) / 10)),
             /*above=*/false);
    if (curve_.losing_customers() == 0) return;
    const double gainers = 1 - static_cast<double>(curve_.losing_customers()) / all;
    const double peak = Scaled(curve_.total() - curve_.losing_profit());
    DrawMark(gainers, peak, absl::StrCat("losses begin: ", AmountText(std::round(peak * 10) / 10)),
             /*above=*/true);
  }

  const v1::ValueServiceGetProfitCurveResponse& curve_;
  const bool in_percent_;
  double step_ = 1;
  double low_ = 0;
  double high_ = 1;
  std::string svg_;
};

}  // namespace

std::string ProfitCurveSvg(const v1::ValueServiceGetProfitCurveResponse& curve) {
  return Picture(curve).Draw();
}

}  // namespace attune::ctl
