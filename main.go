// The egain-operator keeps OAuth 2.0 access tokens of eGain tenants fresh in Secrets.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/egain-operator/egain-operator/internal/app"
	"github.com/egain-operator/egain-operator/internal/options"
	"github.com/egain-operator/egain-operator/internal/plain"
)

func main() {
	var o options.Options
	o.BindFlags(flag.CommandLine)
	flag.Parse()
	if err := o.Validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctrl.SetLogger(zap.New(zap.UseDevMode(o.LogFormat == "console"), zap.Level(o.Level()), zap.StacktraceLevel(zapcore.PanicLevel),
		zap.WriteTo(zapcore.Lock(zapcore.AddSync(plain.Writer(os.Stderr))))))
	if err := run(ctrl.SetupSignalHandler(), &o); err != nil {
		ctrl.Log.Error(err, "Operator stopped")
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options.Options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("loading the configuration of the cluster: %w", err)
	}
	return app.Run(ctx, config, o)
}
