#ifndef ATTUNE_TESTS_TESTING_FAULT_INJECTION_ENV_H_
#define ATTUNE_TESTS_TESTING_FAULT_INJECTION_ENV_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace attune::testing {

// The system's file system with faults that a test switches on and off. Thread-safe.
class FaultInjectionFileSystem : public rocksdb::FileSystemWrapper {
 public:
  enum class Fault { kNone, kNoSpace, kIoError };

  FaultInjectionFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  // What every append to a file meets from now on; nothing of it is written. With `part_of_path`
  // only files whose path holds it.
  void FailAppends(Fault fault, std::string part_of_path = "") {
    std::lock_guard<std::mutex> lock(mutex_);
    append_path_ = std::move(part_of_path);
    append_ = fault;
  }
  // The next append to a file whose path holds `part_of_path`, or the one `after` so many others,
  // writes so many bytes of it and fails.
  void TearNextAppend(size_t bytes, int after = 0, std::string part_of_path = "") {
    std::lock_guard<std::mutex> lock(mutex_);
    tear_path_ = std::move(part_of_path);
    before_tear_ = after;
    tear_ = static_cast<int64_t>(bytes);
  }
  // Runs `hook` once, before the next file is made whose path holds this.
  void BeforeNextFile(std::string part_of_path, std::function<void()> hook) {
    std::lock_guard<std::mutex> lock(mutex_);
    hook_path_ = std::move(part_of_path);
    hook_ = std::move(hook);
  }
  // What every sync of a file meets from now on.
  void FailSyncs(Fault fault) { sync_ = fault; }

  int appends_failed() const { return appends_failed_; }
  int syncs_failed() const { return syncs_failed_; }
  int syncs() const { return syncs_; }
  // The folders whose entries survive power loss: those that were there at the last sync.
  std::set<std::string> durable_folders() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return durable_folders_;
  }

  const char* Name() const override { return "FaultInjectionFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* context) override {
    if (const std::function<void()> hook = TakeHookFor(name)) hook();
    rocksdb::IOStatus status = target()->NewWritableFile(name, options, result, context);
    // The information log is nothing that a store depends on.
    if (status.ok() && name.find("/LOG") == std::string::npos) {
      *result = std::make_unique<File>(std::move(*result), name, this);
    }
    return status;
  }

  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = target()->NewDirectory(name, options, result, context);
    if (status.ok()) *result = std::make_unique<Folder>(std::move(*result), name, this);
    return status;
  }

 private:
  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile>&& file, std::string path,
         FaultInjectionFileSystem* owner)
        : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), owner_(owner) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus fault = MeetAppend(data, options, context);
      return fault.ok() ? target()->Append(data, options, context) : fault;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus fault = MeetAppend(data, options, context);
      return fault.ok() ? target()->Append(data, options, verification, context) : fault;
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
      ++owner_->syncs_;
      rocksdb::IOStatus fault = Meet(owner_->sync_, owner_->syncs_failed_);
      return fault.ok() ? target()->Sync(options, context) : fault;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
      ++owner_->syncs_;
      rocksdb::IOStatus fault = Meet(owner_->sync_, owner_->syncs_failed_);
      return fault.ok() ? target()->Fsync(options, context) : fault;
    }

   private:
    rocksdb::IOStatus MeetAppend(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) {
      if (const int64_t tear = owner_->TakeTearFor(path_); tear >= 0) {
        const size_t written = std::min(data.size(), static_cast<size_t>(tear));
        rocksdb::IOStatus status =
            target()->Append(rocksdb::Slice(data.data(), written), options, context);
        ++owner_->appends_failed_;
        return status.ok() ? rocksdb::IOStatus::IOError("injected: torn write") : status;
      }
      if (!owner_->FailsAppendsTo(path_)) return rocksdb::IOStatus::OK();
      return Meet(owner_->append_, owner_->appends_failed_);
    }

    static rocksdb::IOStatus Meet(Fault fault, std::atomic<int>& failed) {
      if (fault == Fault::kNone) return rocksdb::IOStatus::OK();
      ++failed;
      return fault == Fault::kNoSpace ? rocksdb::IOStatus::NoSpace("injected: no space left")
                                      : rocksdb::IOStatus::IOError("injected: I/O error");
    }

    const std::string path_;
    FaultInjectionFileSystem* const owner_;
  };

  bool FailsAppendsTo(const std::string& path) {
    if (append_ == Fault::kNone) return false;
    std::lock_guard<std::mutex> lock(mutex_);
    return path.find(append_path_) != std::string::npos;
  }

  // How many bytes the append that is about to happen gets written; below 0: it is not torn.
  int64_t TakeTearFor(const std::string& path) {
    if (tear_ < 0) return -1;
    std::lock_guard<std::mutex> lock(mutex_);
    if (path.find(tear_path_) == std::string::npos || before_tear_-- > 0) return -1;
    return tear_.exchange(-1);
  }

  class Folder : public rocksdb::FSDirectoryWrapper {
   public:
    Folder(std::unique_ptr<rocksdb::FSDirectory>&& folder, std::string path,
           FaultInjectionFileSystem* owner)
        : FSDirectoryWrapper(std::move(folder)), path_(std::move(path)), owner_(owner) {}

    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
      Note();
      return FSDirectoryWrapper::Fsync(options, context);
    }
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                          rocksdb::IODebugContext* context,
                                          const rocksdb::DirFsyncOptions& how) override {
      Note();
      return FSDirectoryWrapper::FsyncWithDirOptions(options, context, how);
    }

   private:
    void Note() {
      std::error_code error;  // a file may go while the folder is read
      std::filesystem::directory_iterator entry(path_, error);
      std::lock_guard<std::mutex> lock(owner_->mutex_);
      for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        if (entry->is_directory(error)) owner_->durable_folders_.insert(entry->path());
      }
    }

    const std::string path_;
    FaultInjectionFileSystem* const owner_;
  };

  // Empty: there is none.
  std::function<void()> TakeHookFor(const std::string& path) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (hook_ == nullptr || path.find(hook_path_) == std::string::npos) return {};
    return std::exchange(hook_, nullptr);
  }

  mutable std::mutex mutex_;
  std::string append_path_;                // guarded by mutex_
  std::string tear_path_;                  // guarded by mutex_
  int before_tear_ = 0;                    // guarded by mutex_
  std::set<std::string> durable_folders_;  // guarded by mutex_
  std::string hook_path_;                  // guarded by mutex_
  std::function<void()> hook_;             // guarded by mutex_
  std::atomic<Fault> append_{Fault::kNone};
  std::atomic<int64_t> tear_{-1};
  std::atomic<Fault> sync_{Fault::kNone};
  std::atomic<int> appends_failed_{0};
  std::atomic<int> syncs_failed_{0};
  std::atomic<int> syncs_{0};
};

// An Env for RocksDbOptions.env on such a file system.
class FaultInjectionEnv {
 public:
  FaultInjectionEnv()
      : file_system_(std::make_shared<FaultInjectionFileSystem>()),
        env_(rocksdb::NewCompositeEnv(file_system_)) {}

  rocksdb::Env* env() { return env_.get(); }
  FaultInjectionFileSystem& file_system() { return *file_system_; }

 private:
  const std::shared_ptr<FaultInjectionFileSystem> file_system_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_FAULT_INJECTION_ENV_H_
